"""Partitions that move between processes, under load."""

import asyncio
import re
import signal
from typing import Any

import pytest

from streams.state.faust_fixes import Interrupted
from streams.state.partition import Changes, ClosedError

TAKEN = "now, and was another's or nobody's"


async def load(ground: Any, seconds: float) -> None:
    """Words on both partitions, some of them forgotten again."""
    until = asyncio.get_running_loop().time() + seconds
    number = 0
    while asyncio.get_running_loop().time() < until:
        number += 1
        await ground.send([b"w%d" % (number % 40), b"!w7"], partition=number % 2)
        await asyncio.sleep(0.005)


async def test_i6_a_warm_standby_takes_over_from_a_killed_owner(ground: Any) -> None:
    """It has nearly all of the changelog already, nothing is lost, and its copy equals the replay."""
    owner = ground.start("a")
    await ground.owns(owner)
    await load(ground, 1.5)
    standby = ground.start("b")
    await ground.owns(standby, 1)  # two processes share two partitions
    await load(ground, 1)
    owner.kill()
    await ground.ended(owner)
    await load(ground, 0.5)
    await ground.owns(standby)
    await ground.settled()
    await ground.stop(standby)
    await ground.check("b")
    assert re.findall(r"partition [01] of words is this scheduler's (.*):", ground.said(standby))[-2:].count(TAKEN) == 1
    behind = re.findall(r"words-changelog-[01] is (\d+) offsets behind", ground.said(standby))
    assert all(int(n) < 30 for n in behind[-2:])


async def test_an_owner_that_was_replaced_leaves_when_it_writes(ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says who owns the partition now; the new owner's table is untouched."""
    ends: list[tuple[int, str]] = []

    def note(status: int, sentence: str) -> None:
        ends.append((status, sentence))
        raise SystemExit

    monkeypatch.setattr("streams.state.active.stop_process", note)
    old, new = await ground.room("a"), await ground.room("b")
    await old.take({ground.tp()}, set())
    await ground.work(old, [b"a", b"b"])
    await new.take({ground.tp()}, set())
    await ground.send([b"c"])
    with pytest.raises(SystemExit):
        await ground.count(old, [b"late"])
    assert ends[0][0] == 6
    assert "another process owns" in ends[0][1]
    await ground.count(new, [b"c"])
    await ground.close(old)
    await ground.close(new)
    await ground.check("b", "a")


async def test_a_room_gives_up_what_it_does_not_take_again(ground: Any) -> None:
    """Also where nobody told it: a table is written by its owner or by the reader of its changelog, never by both."""
    room = await ground.room("a")
    await room.take({ground.tp()}, set())
    await ground.work(room, [b"a", b"b"])
    owned = room.open[0]
    await room.take(set(), {ground.tp()})
    assert not room.open
    with pytest.raises(ClosedError):
        await owned.commit(Changes([], []), owned.marker + 1)
    await ground.close(room)
    await ground.check("a")


@pytest.mark.parametrize("delay", [0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2])
async def test_a_room_can_be_stopped_while_it_catches_up(ground: Any, delay: float) -> None:
    """What goes on is interrupted before the stores close; what was applied by then stays, and the rest comes later."""
    first = await ground.room("a")
    await first.take({ground.tp()}, set())
    await ground.work(first, [b"w%d" % (number % 400) for number in range(3_000)])
    await ground.close(first)
    late = await ground.room("b")
    taking = asyncio.create_task(late.take({ground.tp()}, set()))
    await asyncio.sleep(delay)
    await ground.close(late)
    await asyncio.wait([taking])
    assert isinstance(taking.exception(), Interrupted | None)
    await ground.check("b")


@pytest.mark.parametrize("step", ["outputs", "changelog"])
async def test_i6_an_owner_paused_inside_a_batch_changes_nothing_when_it_wakes(ground: Any, step: str) -> None:
    """Whether it learns first that it was replaced, or is refused by the broker."""
    sleeper = ground.start("a", DIE_AT=step, DIE_BATCH="5", DIE_BY="SIGSTOP")
    await ground.owns(sleeper)
    await load(ground, 0.7)
    heir = ground.start("b")
    await ground.owns(heir)
    await load(ground, 0.5)
    sleeper.send_signal(signal.SIGCONT)
    await load(ground, 1.5)
    sleeper.terminate()
    assert await ground.ended(sleeper) in (0, 6)
    await ground.owns(heir)
    await ground.settled()
    await ground.stop(heir)
    await ground.check("b", "a")


async def test_i6_members_that_come_and_go_lose_and_repeat_nothing(ground: Any) -> None:
    """Each rebalance closes and opens every partition."""
    first = ground.start("a")
    await ground.owns(first)
    going = asyncio.create_task(load(ground, 8))
    second = ground.start("b")
    await ground.owns(second, 1)
    await ground.stop(first)
    await ground.owns(second)
    third = ground.start("a")
    await ground.owns(third, 1)
    await going
    await ground.settled()
    await ground.stop(second)
    await ground.stop(third)
    await ground.check("a", "b")
