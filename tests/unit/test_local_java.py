from pathlib import Path

import pytest

from streams.local.java import Java, candidates, parse_major, probe


@pytest.mark.parametrize(
    ("said", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ("Error: could not find java.dll", None),
        ("", None),
    ],
)
def test_the_major_version_is_read(said: str, major: int | None) -> None:
    """Old and new ways of writing a version give the major number, anything else none."""
    assert parse_major(said) == major


def test_java_home_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The person's own choice is looked at before the path."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert next(candidates()) == tmp_path / "bin" / "java"


def test_a_command_that_does_not_run_is_no_java(tmp_path: Path) -> None:
    """A file that is missing, not executable or not a Java is passed over."""
    text = tmp_path / "java"
    text.write_text("not a program")
    assert probe(tmp_path / "absent") is None
    assert probe(text) is None
    assert probe(Path("/bin/true")) is None


def test_an_archive_is_used_once_it_is_whole(tmp_path: Path) -> None:
    """Where there is none, or one that was cut off while it was written, it is written anew."""
    java = Java(Path("java"), 17, "build")
    archive = tmp_path / "classes-build.jsa"
    assert java.start_quickly(tmp_path) == [f"-XX:ArchiveClassesAtExit={archive}"]
    archive.write_bytes(bytes(1000))
    assert java.start_quickly(tmp_path) == [f"-XX:ArchiveClassesAtExit={archive}"]
    archive.write_bytes(b"magic")
    assert java.start_quickly(tmp_path) == [f"-XX:SharedArchiveFile={archive}"]
