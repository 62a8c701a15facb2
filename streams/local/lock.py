"""Write kafka.lock anew: `python -m streams.local.lock`. It needs the network; read the difference."""

import tempfile
from pathlib import Path

from streams.local.errors import SetupError
from streams.local.extras import bring
from streams.local.jars import KAFKA, LOCK_FILE, Jar, fetch, sha256_of

ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA}"
LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl")
"""Kafka's own distribution adds this one, so that its log is to be seen."""

HEAD = f"# {ENDPOINT} and all that it needs at run time. Written by `python -m streams.local.lock`.\n"


def resolve() -> list[Jar]:
    """The coordinates of Kafka and of all that it needs, without checksums yet."""
    bring("jgo", "the lock is made by jgo")
    import jgo  # noqa: PLC0415  (an optional package)

    found = [Jar("", a.groupId, a.artifactId, a.version) for a in jgo.resolve(ENDPOINT)]
    log4j = next(jar.version for jar in found if jar.artifact == "log4j-core")
    return sorted([*found, Jar("", *LOGGING, log4j)], key=lambda jar: jar.name)


def main() -> None:
    """Resolve, fetch, hash, write."""
    jars = resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "jars"
        folder.mkdir()
        fetch(jars, folder)
        if missing := [jar.name for jar in jars if not (folder / jar.name).exists()]:
            raise SetupError(f"{missing[0]} was not fetched")
        lines = [f"{sha256_of(folder / j.name)}  {j.group}:{j.artifact}:{j.version}\n" for j in jars]
    LOCK_FILE.write_text(HEAD + "".join(lines))


if __name__ == "__main__":
    main()
