"""Stores that are damaged, missing or old: always rebuilt to what the changelog says."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.state.partition import Changes
from streams.state.store import LockHeldError

WORDS = [b"w%d" % (n % 50) for n in range(200)]


async def run(ground: Any, words: list[bytes]) -> None:
    """Own both partitions, count some words, close."""
    room = await ground.room()
    await room.take({ground.tp(0), ground.tp(1)}, set())
    await ground.work(room, words)
    await ground.close(room)


def truncate_manifest(folder: Path) -> None:
    """As a full disk or a crash of the machine may leave it."""
    os.truncate(next(folder.glob("MANIFEST-*")), 20)


def forget_current(folder: Path) -> None:
    """As a half copied folder has it."""
    (folder / "CURRENT").unlink()


def lose_a_table(folder: Path) -> None:
    """The same, with the data missing."""
    next(folder.glob("*.sst")).unlink()


def remove(folder: Path) -> None:
    """Gone altogether."""
    shutil.rmtree(folder)


@pytest.mark.parametrize("damage", [truncate_manifest, forget_current, lose_a_table, remove])
async def test_i6_a_folder_that_does_not_open_is_rebuilt(
    ground: Any, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    """Wiped with a line in the log, then filled from the changelog."""
    await run(ground, [*WORDS, b"!w1"])
    damage(ground.path())
    await run(ground, [b"more"])
    await ground.check("a")
    assert ("wiped and rebuilt from its changelog" in caplog.text) == (damage is not remove)


async def fill(ground: Any) -> None:
    """Words, and before and behind them so many other rows that the one table file has many blocks."""
    room = await ground.room()
    await room.take({ground.tp(0)}, set())
    await ground.work(room, WORDS)
    for first in (b"a", b"b", b"y", b"z"):
        rows = [(b"%s%04d" % (first, n), os.urandom(80).hex().encode()) for n in range(1_000)]
        await room.open[0].commit(Changes(rows, []), room.open[0].marker)
    await ground.close(room)


def flip(folder: Path) -> None:
    """Overwrite the middle of the large table file, not the first block, which is read at the start."""
    table = max(folder.glob("*.sst"), key=lambda file: file.stat().st_size)
    size = table.stat().st_size
    with table.open("r+b") as file:
        file.seek(max(8_192, size // 10))
        file.write(bytes(size // 2))


async def test_i6_flipped_bytes_are_noticed_when_read_and_rebuilt(
    ground: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """RocksDB opens such a folder gladly; the owner stops at the first damaged block, the next start rebuilds."""
    await fill(ground)
    flip(ground.path())
    process = ground.start(STANDBYS="0")
    await ground.owns(process)
    await ground.send([b"w0", b"w1"])
    assert await ground.ended(process) == 1
    assert "is corrupt" in ground.said(process)

    room = await ground.room()
    await room.take({ground.tp(0)}, set())
    await ground.count(room, [b"w0", b"w1"])
    await ground.close(room)
    assert "wiped and rebuilt from its changelog" in caplog.text
    await ground.check("a")


async def test_i6_an_old_copy_of_a_folder_catches_up(ground: Any) -> None:
    """What was deleted after the copy is deleted in it, too."""
    await run(ground, WORDS)
    shutil.copytree(ground.path(), ground.folder / "copy")
    await run(ground, [b"!w1", b"w2", b"new"])
    shutil.rmtree(ground.path())
    shutil.move(ground.folder / "copy", ground.path())
    await run(ground, [b"last"])
    await ground.check("a")


async def test_a_folder_in_use_is_a_clear_error(ground: Any) -> None:
    """The second owner says what to do, and leaves the first alone."""
    first = await ground.room()
    await first.take({ground.tp(0)}, set())
    second = await ground.room()
    with pytest.raises(LockHeldError, match="two on one machine need a HEADRACE_HOME each"):
        await second.take({ground.tp(0)}, set())
    await ground.work(first, WORDS)
    await ground.close(first)
    await ground.check("a")
