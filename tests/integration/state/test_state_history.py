"""Histories that do not add up: nothing starts on them."""

import asyncio
import shutil
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import PolicyViolationError

from streams.settings import Settings
from streams.state.history import RefusedError
from streams.state.partition import Changes
from streams.state.reset import accept_lost_inputs, throw_away


async def delete_records(ground: Any, topic: str, partition: int, before: int) -> None:
    """Take the head off a log, as an operator with a wrong command may."""
    await ground.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": "delete"})])
    for _ in range(600):  # the broker answers before its logs follow the new policy
        if await deleted(ground, TopicPartition(topic, partition), before):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{topic} still counts as compacted only")


async def deleted(ground: Any, tp: TopicPartition, before: int) -> bool:
    """Whether the broker did it: never while the topic counts as compacted only."""
    try:
        await ground.admin.delete_records({tp: RecordsToDelete(before)})
    except PolicyViolationError:
        return False
    return True


async def counted(ground: Any, rounds: int = 3) -> None:
    """A table with some history, closed again."""
    await ground.send([b"w%d" % n for n in range(rounds)])
    room = await ground.room()
    await room.take({ground.tp()}, set())
    for n in range(rounds):
        await room.open[0].commit(Changes([(b"ww%d" % n, b"1")], []), n)
    await ground.close(room)


async def take(ground: Any) -> Any:
    """Own partition 0."""
    room = await ground.room()
    await room.take({ground.tp()}, set())
    return room


async def test_a_changelog_without_its_head_is_refused_where_the_store_needs_it(ground: Any) -> None:
    """With the records in the store all is well; without the store nobody can know the table."""
    await counted(ground)
    await delete_records(ground, ground.changelog, 0, 5)
    await ground.close(await take(ground))

    shutil.rmtree(ground.path())
    with pytest.raises(RefusedError, match=r"words-changelog-0 lost its head: it begins at offset 5, .* has nothing"):
        await take(ground)


async def test_a_changelog_that_begins_past_the_store_is_refused(ground: Any) -> None:
    """A store that slept through what was deleted."""
    await counted(ground)
    shutil.copytree(ground.path(), ground.folder / "copy")
    room = await take(ground)
    await room.open[0].commit(Changes([(b"wx", b"1")], []), 2)
    await ground.close(room)
    shutil.rmtree(ground.path())
    shutil.move(ground.folder / "copy", ground.path())
    await delete_records(ground, ground.changelog, 0, 9)
    with pytest.raises(RefusedError, match=r"lost its head: it begins at offset 9, .* the records up to 6"):
        await take(ground)


async def test_a_changelog_made_anew_is_refused(ground: Any) -> None:
    """Shorter than the store: it says so."""
    await counted(ground)
    await ground.drop_topics(ground.changelog)
    with pytest.raises(RefusedError, match=r"truncated or made anew: it ends at offset 0, .* its record 6"):
        await take(ground)


async def test_a_changelog_made_anew_and_grown_is_refused(ground: Any) -> None:
    """Longer than the store: the record at the store's position is another one."""
    await counted(ground)
    await ground.drop_topics(ground.changelog)
    await ground.make_topics(ground.changelog)
    for _ in range(20):
        await ground.producer.send_and_wait(ground.changelog, b"1", key=b"wz", partition=0)
    with pytest.raises(RefusedError, match="made anew: its record 6 is another one"):
        await take(ground)


async def test_an_input_that_lost_what_was_never_read_is_refused(ground: Any) -> None:
    """Retention ran out while nobody worked."""
    await counted(ground)
    await ground.send([b"lost", b"kept"])
    await delete_records(ground, ground.source, 0, 4)
    with pytest.raises(RefusedError, match=r"\.in-0 lost messages that were never read: it begins at offset 4, .* 2 "):
        await take(ground)


async def test_an_input_that_lost_only_what_was_read_is_fine(ground: Any) -> None:
    """That is what retention is for."""
    await counted(ground)
    await delete_records(ground, ground.source, 0, 3)
    room = await take(ground)
    assert room.open[0].marker == 2


async def test_an_input_made_anew_is_refused(ground: Any) -> None:
    """The marker points past its end."""
    await counted(ground)
    await ground.drop_topics(ground.source)
    await ground.make_topics(ground.source)
    with pytest.raises(RefusedError, match=r"truncated or made anew: it ends at offset 0, .* has read it up to 2"):
        await take(ground)


async def test_a_new_table_on_an_input_that_lost_its_head_is_refused(ground: Any) -> None:
    """It cannot be new: something has read that input, or should have."""
    await ground.send([b"a", b"b"])
    await delete_records(ground, ground.source, 0, 1)
    with pytest.raises(RefusedError, match="has read nothing of it yet"):
        await take(ground)


async def test_a_refusal_ends_the_process_with_status_5_and_one_sentence(ground: Any) -> None:
    """A supervisor knows that a new start alone is no use; a person reads what is."""
    await counted(ground)
    await delete_records(ground, ground.changelog, 0, 5)
    shutil.rmtree(ground.path())
    process = ground.start()
    assert await ground.ended(process) == 5
    last = ground.said(process).strip().splitlines()[-1]
    assert last.startswith("tables cannot be recovered: ")
    assert "lost its head" in last
    assert "python -m streams.state.reset table" in last


async def test_a_refusal_writes_nothing(ground: Any) -> None:
    """Neither the log nor the store changes, so that what was lost can still be put back."""
    await counted(ground)
    await delete_records(ground, ground.changelog, 0, 5)
    before = [r.offset for r in await ground.read(ground.changelog, 0)]
    shutil.rmtree(ground.path())
    with pytest.raises(RefusedError):
        await take(ground)
    assert [r.offset for r in await ground.read(ground.changelog, 0)] == before


async def test_a_standby_whose_changelog_lost_its_head_does_not_stop_the_others(ground: Any, caplog: Any) -> None:
    """It cannot be warm; what this process owns goes on."""
    await counted(ground)
    await delete_records(ground, ground.changelog, 0, 5)
    room = await ground.room("b")
    await room.take({ground.tp(1)}, {ground.tp(0)})
    await room.open[1].commit(Changes([(b"wa", b"1")], []), 0)
    assert "no warm copy can be kept here" in caplog.text


def config(ground: Any) -> Settings:
    """The reset's settings for this ground, whose table is named as its input."""
    return Settings(namespace=ground.namespace, kafka=ground.bootstrap, home=ground.folder / "a")


async def test_lost_inputs_can_be_accepted(ground: Any) -> None:
    """The table goes on at the first message that is left."""
    room = await ground.room(name="in")
    await room.take({ground.tp(0, "in")}, set())
    await ground.send([b"a", b"lost", b"kept"])
    await ground.count(room, [b"a"])
    await ground.close(room)
    await delete_records(ground, ground.source, 0, 2)
    assert await accept_lost_inputs(config(ground), "in") == {0: 1}
    room = await ground.room(name="in")
    await room.take({ground.tp(0, "in")}, set())
    assert (room.open[0].marker, room.open[0].get(b"wa")) == (1, b"00000001")


async def test_a_table_can_be_thrown_away(ground: Any) -> None:
    """It begins empty, past what was sent before."""
    room = await ground.room(name="in")
    await room.take({ground.tp(0, "in")}, set())
    await ground.work(room, [b"a", b"b"])
    await ground.close(room)
    await throw_away(config(ground), "in")
    room = await ground.room(name="in")
    await room.take({ground.tp(0, "in")}, set())
    assert (room.open[0].marker, room.open[0].get(b"wa")) == (1, None)
