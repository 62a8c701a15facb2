"""Apache Kafka's jars: fetched from Maven Central by an ordinary client, checked against kafka.lock, kept in the cache.

kafka.lock has one line a jar: its SHA-256 and its Maven coordinates. `python -m streams.local.lock` writes it.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from streams.local.errors import SetupError
from streams.local.extras import bring

LOCK_FILE = Path(__file__).with_name("kafka.lock")
KAFKA = "4.3.1"
AT_ONCE = 8
TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Jar:
    """A jar: the SHA-256 that it must have, and its Maven coordinates."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def name(self) -> str:
        """The file's name, as Maven gives it."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(path: Path = LOCK_FILE) -> list[Jar]:
    """The jars that Kafka runs on."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return [Jar(sha256, *coordinates.split(":")) for sha256, coordinates in map(str.split, lines)]


def cache_folder() -> Path:
    """Where downloads are kept: XDG_CACHE_HOME/headrace, by default ~/.cache/headrace."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def problems(folder: Path, jars: Iterable[Jar]) -> list[str]:
    """What is wrong with the jars in `folder`: one line for each that is missing or differs from the lock."""
    found = []
    for jar in jars:
        path = folder / jar.name
        if not path.exists():
            found.append(f"{jar.name} is missing")
        elif (got := sha256_of(path)) != jar.sha256:
            found.append(f"{jar.name} has SHA-256 {got[:12]}..., not {jar.sha256[:12]}... of {LOCK_FILE.name}")
    return found


def ensure_jars() -> Path:
    """The folder with all of Kafka's jars, each checked; fetched first where needed. Raises SetupError."""
    jars, folder = read_lock(), cache_folder() / f"kafka-{KAFKA}"
    if not problems(folder, jars):
        return folder
    with _alone(folder.with_name(f"{folder.name}.lock")):
        if problems(folder, jars):  # another process may have been quicker
            _install(folder, jars)
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time installs."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise SetupError(f"cannot write the cache {lock.parent}: {error.strerror}; set XDG_CACHE_HOME") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(folder: Path, jars: list[Jar]) -> None:
    """Fetch everything beside the final folder, check it there, and only then give it its name."""
    console = Console(stderr=True)
    console.print(
        f"Fetching Apache Kafka {KAFKA} ({len(jars)} jars, 44 MB) from Maven Central ...",
        highlight=False,
        soft_wrap=True,
    )
    try:
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as scratch:
            fetched = Path(scratch) / "jars"
            fetched.mkdir()
            fetch(jars, fetched)
            if wrong := problems(fetched, jars):
                raise SetupError(f"Maven Central's {wrong[0]}; nothing was installed, try again or report it")
            shutil.rmtree(folder, ignore_errors=True)
            fetched.rename(folder)
    except OSError as error:
        raise SetupError(_why(error, folder.parent)) from error


def _why(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"the disk of {folder} is full; free 200 MB or set XDG_CACHE_HOME to a folder on another disk"
    return f"Kafka's jars could not be fetched from Maven Central (is there a network?): {str(error)[:160]}"


def fetch(jars: list[Jar], into: Path) -> None:
    """Fetch jars by Maven where it works, else by jgo. Raises OSError or SetupError."""
    if (maven := shutil.which("mvn")) and _fetch_by_maven(maven, jars, into):
        return
    bring("jgo", "Kafka's jars come from Maven Central, and there is no working `mvn`")
    _fetch_by_jgo(jars, into)


def _fetch_by_maven(maven: str, jars: list[Jar], into: Path) -> bool:
    """Whether Maven brought them: a throw-away project that depends on exactly the locked jars."""
    project = into.with_name("pom.xml")
    project.write_text(pom(jars))
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={into}"]
    command = [maven, "--quiet", "--batch-mode", "--file", str(project), *goal]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603  (constants only)


def pom(jars: list[Jar]) -> str:
    """A Maven project with the jars as its dependencies, and none of theirs."""
    alone = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    needs = "".join(
        f"<dependency><groupId>{jar.group}</groupId><artifactId>{jar.artifact}</artifactId>"
        f"<version>{jar.version}</version>{alone}</dependency>"
        for jar in jars
    )
    head = "<modelVersion>4.0.0</modelVersion><groupId>headrace</groupId><artifactId>kafka</artifactId>"
    return f"<project>{head}<version>1</version><dependencies>{needs}</dependencies></project>"


def _fetch_by_jgo(jars: list[Jar], into: Path) -> None:
    """Several at once; jgo knows where Maven Central is, so nothing here does."""
    from jgo.maven import MavenContext  # noqa: PLC0415  (an optional package)

    maven = MavenContext(repo_cache=into.with_name("maven"), local_repos=[], timeout=TIMEOUT)

    def fetch_one(jar: Jar) -> None:
        path = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        path.rename(into / jar.name)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(fetch_one, jars))
