"""The fenced changelog writer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from streams.state.partition import BatchTooLargeError
from streams.state.writer import FencedError, Writer


@pytest.fixture
async def take_over(ground: Any) -> AsyncIterator[Any]:
    """Writers of the same changelog partition, closed afterwards."""
    await ground.make_topics(ground.changelog)
    writers: list[Writer] = []

    async def make() -> Writer:
        writer = await Writer.take_over(ground.bootstrap, f"{ground.namespace}-words-0", ground.changelog, 0)
        writers.append(writer)
        return writer

    yield make
    for writer in writers:
        await writer.close()


async def test_an_owner_that_was_replaced_is_refused(ground: Any, take_over: Any) -> None:
    """However late it writes: its batch is not in the log."""
    old = await take_over()
    await old.append([(b"k", b"old")])
    new = await take_over()
    with pytest.raises(FencedError, match="another process owns"):
        await old.append([(b"k", b"late")])
    await new.append([(b"k", b"new")])
    values = [r.value for r in await ground.read(ground.changelog, 0) if r.key == b"k"]
    assert values == [b"old", b"new"]


async def test_a_batch_is_one_record_batch(ground: Any, take_over: Any) -> None:
    """The position is that of its last record, right after the fence."""
    writer = await take_over()
    position = await writer.append([(b"a", b"1"), (b"b", None), (b"c", b"3")])
    records = await ground.read(ground.changelog, 0)
    assert [(r.key, r.value) for r in records[1:]] == [(b"a", b"1"), (b"b", None), (b"c", b"3")]
    assert (position.offset, position.at) == (records[-1].offset, records[-1].timestamp)


async def test_what_does_not_fit_one_batch_is_not_sent(ground: Any, take_over: Any) -> None:
    """Half a batch would be half a state."""
    writer = await take_over()
    with pytest.raises(BatchTooLargeError, match="split the input"):
        await writer.append([(b"%d" % i, bytes(1_000_000)) for i in range(17)])
    await writer.append([(b"after", b"")])
    assert [r.key for r in await ground.read(ground.changelog, 0)][1:] == [b"after"]


async def test_a_renewed_writer_goes_on_and_its_older_self_is_refused(ground: Any, take_over: Any) -> None:
    """Brokers forget idle producers; a renewal has them remember, with a new epoch."""
    writer = await take_over()
    await writer.append([(b"k", b"1")])
    before = writer._epoch
    await writer.renew()
    assert writer._epoch > before
    await writer.append([(b"k", b"2")])
    assert [r.value for r in await ground.read(ground.changelog, 0) if r.key == b"k"] == [b"1", b"2"]


async def test_a_renewal_does_not_push_out_who_has_taken_over(take_over: Any) -> None:
    """Renewing needs the old epoch to be the newest."""
    old = await take_over()
    new = await take_over()
    with pytest.raises(FencedError):
        await old.renew()
    await new.append([(b"k", b"1")])


async def test_a_foreign_record_in_the_log_is_noticed(ground: Any, take_over: Any) -> None:
    """Whoever writes into a changelog by hand breaks it: the owner stops instead of going on without the record."""
    writer = await take_over()
    await ground.producer.send_and_wait(ground.changelog, b"by hand", key=b"k", partition=0)
    with pytest.raises(FencedError, match="another process wrote"):
        await writer.append([(b"k", b"1")])
