import hashlib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from streams.local import jars
from streams.local.errors import SetupError
from streams.local.jars import KAFKA, Jar, cache_folder, ensure_jars, pom, problems, read_lock


def jar_of(content: bytes, artifact: str = "thing") -> Jar:
    """A jar with the checksum of `content`."""
    return Jar(hashlib.sha256(content).hexdigest(), "org.example", artifact, "1.0")


@pytest.fixture
def small_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of one small jar, and a cache of its own; the folder where the jar belongs."""
    lock = tmp_path / "kafka.lock"
    lock.write_text(f"# a comment\n{jar_of(b'good').sha256}  org.example:thing:1.0\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "LOCK_FILE", lock)
    monkeypatch.setattr(read_lock, "__defaults__", (lock,))
    return tmp_path / "cache" / "headrace" / f"kafka-{KAFKA}"


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let the client bring `content`, as a mirror would that is right or wrong."""

    def fetch(wanted: list[Jar], into: Path) -> None:
        for jar in wanted:
            (into / jar.name).write_bytes(content)

    monkeypatch.setattr(jars, "fetch", fetch)


def test_the_lock_names_kafka_and_its_parts() -> None:
    """Every line has a SHA-256 and coordinates; Kafka itself is among them, and no name comes twice."""
    locked = read_lock()
    assert f"kafka_2.13-{KAFKA}.jar" in {jar.name for jar in locked}
    assert len({jar.name for jar in locked}) == len(locked) > 40
    assert all(len(jar.sha256) == 64 for jar in locked)


def test_right_missing_and_corrupt_jars_are_told_apart(tmp_path: Path) -> None:
    """A right jar is no problem; a missing one and a changed one are, each by its name."""
    right, missing, changed = jar_of(b"a", "right"), jar_of(b"b", "missing"), jar_of(b"c", "changed")
    (tmp_path / right.name).write_bytes(b"a")
    (tmp_path / changed.name).write_bytes(b"x")
    found = problems(tmp_path, [right, missing, changed])
    assert [text.split()[0] for text in found] == ["missing-1.0.jar", "changed-1.0.jar"]
    assert "SHA-256" in found[1]


def test_what_was_fetched_is_installed_whole(small_lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder appears with its jars, nothing else stays in the cache but the lock."""
    serve(monkeypatch, b"good")
    assert ensure_jars() == small_lock
    assert (small_lock / "thing-1.0.jar").read_bytes() == b"good"
    assert {path.name for path in cache_folder().iterdir()} == {small_lock.name, f"{small_lock.name}.lock"}


def test_a_corrupt_jar_in_the_cache_is_fetched_again(small_lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is checked at every start, and repaired."""
    small_lock.mkdir(parents=True)
    (small_lock / "thing-1.0.jar").write_bytes(b"rotten")
    serve(monkeypatch, b"good")
    assert (ensure_jars() / "thing-1.0.jar").read_bytes() == b"good"


def test_a_wrong_download_is_refused(small_lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar that is not the locked one is named, and nothing is installed."""
    serve(monkeypatch, b"evil")
    with pytest.raises(SetupError, match=r"thing-1\.0\.jar has SHA-256"):
        ensure_jars()
    assert not small_lock.exists()


def test_no_network_is_one_clear_line(small_lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that fails is a question about the network, not a traceback."""

    def offline(wanted: list[Jar], into: Path) -> None:
        raise ConnectionError(f"unreachable, {len(wanted)} for {into.name}")

    monkeypatch.setattr(jars, "fetch", offline)
    with pytest.raises(SetupError, match="is there a network"):
        ensure_jars()
    assert not small_lock.exists()


def test_a_full_disk_is_one_clear_line(small_lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left names the folder and the way out."""

    def full(wanted: list[Jar], into: Path) -> None:
        raise OSError(28, "No space left on device", str(into / wanted[0].name))

    monkeypatch.setattr(jars, "fetch", full)
    with pytest.raises(SetupError, match=r"is full; free 200 MB or set XDG_CACHE_HOME"):
        ensure_jars()
    assert not small_lock.exists()


def test_a_cache_that_cannot_be_written_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the cache should be is named."""
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(SetupError, match="cannot write the cache"):
        ensure_jars()


def test_maven_gets_exactly_the_locked_jars() -> None:
    """The project for Maven names every jar once, and takes nothing that those would bring."""
    project = ET.fromstring(pom(read_lock()))  # noqa: S314  (our own text)
    needs = project.findall("dependencies/dependency")
    assert [need.findtext("artifactId") for need in needs] == [jar.artifact for jar in read_lock()]
    assert all(need.findtext("exclusions/exclusion/artifactId") == "*" for need in needs)
