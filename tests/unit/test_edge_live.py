import asyncio
from types import SimpleNamespace

import msgspec
import pytest

from pipelines.ids import execution_id, to_text
from streams.edge.board import Board
from streams.edge.live import Live
from streams.edge.recent import Recent
from streams.edge.waiters import Decided, Waiters, pipeline_key, run_key, task_key
from streams.engine.events import Moved, PipelineCreated, Refused, TaskDeleted
from streams.engine.records import Execution
from streams.settings import Settings
from streams.topics import Topics

ONE, OTHER = execution_id("t", "1"), execution_id("t", "2")


def message(*steps: tuple[bytes, int], gone: str = "t") -> bytes:
    """Steps of executions, by version, as a message; before them something that is no step."""
    moves = [Moved("ready", at, Execution(which, "t", "r", "shell", "waiting", at)) for which, at in steps]
    return msgspec.msgpack.encode([TaskDeleted(gone, 1), *moves])


def refused(reason: str) -> Refused:
    """A dead letter that names no execution."""
    return Refused(reason, "schedule", "tasks", 0, 0, 0, "")


def test_steps_are_kept_in_order_and_once() -> None:
    """A repeated step, or one that comes late, changes nothing of what is shown."""
    recent = Recent()
    for versions in ((1, 3), (2,), (3,)):
        recent.add(message(*((ONE, version) for version in versions)))
    assert [moved.execution.version for moved in recent.steps(ONE)] == [1, 2, 3]
    assert recent.record(OTHER) is None


def test_of_an_id_that_lives_again_the_newest_life_is_kept() -> None:
    """Be it that the one before took more steps; the log's time says which is the newest."""
    steps = [(1, 900, 1), (2, 900, 2), (3, 900, 3), (4, 5, 1), (5, 5, 2)]
    recent = Recent()
    for at, born, version in steps:
        record = Execution(ONE, "t", "r", "shell", "waiting", version, created_at=born)
        recent.add(msgspec.msgpack.encode([Moved("ready", at, record)]))
    assert [(moved.at, moved.execution.version) for moved in recent.steps(ONE)] == [(4, 1), (5, 2)]


@pytest.mark.parametrize("asks", [True, False])
def test_the_oldest_messages_leave_first(*, asks: bool) -> None:
    """Memory is bounded by bytes: of an execution that goes on the newest steps are kept, read before or not."""
    first, later = message((ONE, 0), (ONE, 1), (OTHER, 1)), message((ONE, 2))
    recent = Recent(limit=len(first) + len(later))
    for one in (first, later):
        recent.add(one)
    if asks:
        assert len(recent.steps(ONE)) == 3
    recent.add(message((ONE, 3)))
    assert recent.steps(OTHER) == []
    assert [moved.execution.version for moved in recent.steps(ONE)] == [2, 3]
    assert recent.ending_with(ONE[-6:]) == recent.ending_with(b"") == [ONE]


def test_definitions_stay_when_their_messages_have_left() -> None:
    """Be they read by then or not: a history that is away could not tell."""
    pipeline = msgspec.msgpack.encode([PipelineCreated("p", ("p.a",), 1)])
    flood = [message((ONE, version), gone="b") for version in range(10)]
    recent = Recent(limit=3 * len(flood[0]))
    for one in (message(gone="a"), pipeline, *flood):
        recent.add(one)
    assert isinstance(recent.task("a"), TaskDeleted)
    assert isinstance(recent.pipeline("p"), PipelineCreated)
    assert len(recent.steps(ONE)) == 3


@pytest.mark.parametrize(
    "garbage", [b"nonsense", b"", msgspec.msgpack.encode([["mv", "x", 1, [b"\x00"]]]), b"\x91\xa1\xff"]
)
def test_what_cannot_be_read_is_passed_over(garbage: bytes) -> None:
    """Its neighbours are found, as often as somebody asks."""
    recent = Recent()
    for one in (message((ONE, 1)), garbage, message((ONE, 2))):
        recent.add(one)
    for _ in range(2):
        assert [moved.execution.version for moved in recent.steps(ONE)] == [1, 2]


def test_a_step_that_cannot_be_read_is_passed_over() -> None:
    """Though its head can be: here its reason is no UTF-8."""
    broken = Moved("ready", 1, Execution(ONE, "t", "r", "shell", "waiting", 2, reason="REASON"))
    recent = Recent()
    for one in (message((ONE, 1)), msgspec.msgpack.encode([broken]).replace(b"REASON", b"\xff" * 6), message((ONE, 3))):
        recent.add(one)
    assert [moved.execution.version for moved in recent.steps(ONE)] == [1, 3]


def test_a_message_without_a_value_is_passed_over() -> None:
    """And one that seems to define something."""
    live = Live(Settings())
    values = [message((ONE, 1)), None, b"\x91\xa2tc", b"\x91\x93\xa2td\xa1\xff\x01", message((ONE, 2))]
    events = Topics.under("headrace").events
    live._take(events, [SimpleNamespace(value=value, offset=n) for n, value in enumerate(values)])
    assert [moved.execution.version for moved in live.recent.steps(ONE)] == [1, 2]


async def test_what_is_no_step_takes_a_place_in_its_message_too() -> None:
    """As the live tail takes it from Kafka: steps are found behind a definition, which is known, and told of."""
    live = Live(Settings())
    events = Topics.under("headrace").events
    with live.waiters.expect(task_key("t")) as deleted:
        live._take(events, [SimpleNamespace(value=message((ONE, 1), (OTHER, 1), (ONE, 2)), offset=0)])
        assert (await deleted).what == "deleted"  # type: ignore[union-attr]
    assert [moved.execution.version for moved in live.recent.steps(ONE)] == [1, 2]
    assert [moved.execution.id for moved in live.recent.steps(OTHER)] == [OTHER]
    assert isinstance(live.recent.task("t"), TaskDeleted)


async def test_a_waiter_hears_what_it_asked_for() -> None:
    """Only the named steps count, for those who wait for this execution, however many they are."""
    waiters = Waiters()
    with waiters.expect(ONE, ("cancelled",)) as cancelled, waiters.expect(ONE) as anything:
        waiters.decided(OTHER, Decided("created", "waiting"))
        assert not anything.done()
        waiters.decided(ONE, Decided("started", "running"))
        assert anything.done()
        assert not cancelled.done()
        waiters.decided(ONE, Decided("cancelled", "cancelled"))
        assert (await cancelled).what == "cancelled"  # type: ignore[union-attr]
    assert not waiters


async def test_a_refusal_reaches_whom_it_names() -> None:
    """A refusal without an execution is known by the name in its reason, and by no part of another name."""
    waiters = Waiters()
    with (
        waiters.expect(task_key("load"), ("deleted",)) as task,
        waiters.expect(run_key("etl", "r"), ()) as run,
        waiters.expect(pipeline_key("etl2")) as other,
    ):
        waiters.refused_by_name(refused("no task 'load'"))
        waiters.refused_by_name(refused("pipeline 'etl' does not exist: create it first"))
        assert task.done()
        assert run.done()
        assert not other.done()


async def test_a_refusal_of_somebody_elses_order_is_not_heard() -> None:
    """It names the same pipeline, or the same execution, and another moment."""
    waiters, other = Waiters(), msgspec.structs.replace(refused("pipeline 'etl' does not exist"), ordered_at=7)
    with (
        waiters.expect(pipeline_key("etl"), (), 5) as creates,
        waiters.expect(run_key("etl", "r"), (), 7) as runs,
        waiters.expect(ONE, (), 5) as cancels,
    ):
        waiters.refused_by_name(other)
        waiters.decided(ONE, other)
        assert [one.done() for one in (creates, runs, cancels)] == [False, True, False]
        waiters.decided(ONE, refused("our own code failed on it"))
        assert cancels.done()


async def test_a_waiter_that_leaves_is_forgotten() -> None:
    """Whoever gives up waiting, also by an error, leaves nothing behind."""
    waiters = Waiters()
    with pytest.raises(TimeoutError), waiters.expect(ONE) as future:
        await asyncio.wait_for(asyncio.shield(future), 0)
    assert not waiters
    waiters.decided(ONE, Decided("created"))


def test_the_board_shows_the_newest_word() -> None:
    """Pools and roles by their keys; a key without a value is gone, one of another kind is not ours."""
    board = Board()
    pool = {"pool": "p", "at": 5, "waiting": [1] * 10, "oldest_ready_at": 1, "slots": 2, "running": 1, "workers": []}
    board.put("pool/p", msgspec.json.encode(pool | {"waiting": [0] * 10}))
    board.put("pool/p", msgspec.json.encode(pool))
    board.put("role/edge-1", b'{"role": "edge", "name": "edge-1", "at": 5, "pid": 1, "more": true}')
    board.put("else/x", b"no json")
    [view] = board.pool_views()
    assert (view.pool, sum(view.waiting), view.slots) == ("p", 10, 2)
    assert view.oldest_wait_ms is not None
    board.put("role/edge-2", b'{"role": "edge", "name": "edge-2", "at": 600004}')
    assert len(board.roles) == 2
    board.put("role/edge-2", b'{"role": "edge", "name": "edge-2", "at": 600005}')
    assert list(board.roles) == ["role/edge-2"]
    board.put("pool/p", None)
    board.put("role/edge-2", None)
    assert not board.pools
    assert not board.roles


def test_a_dead_letter_without_a_value_is_skipped() -> None:
    """Anybody who may write there may leave one; the edge starts all the same."""
    live, topic = Live(Settings()), Topics.under(Settings().namespace).dead_letters
    letter = msgspec.json.encode(refused("no"))
    live._take(topic, [SimpleNamespace(value=value, offset=0, key=None) for value in (None, letter)])
    assert [one.reason for one in reversed(live.letters)] == ["no"]


async def test_what_is_not_told_is_no_answer_to_an_order() -> None:
    """An address that takes no notification says nothing of whether an execution was retried."""
    live, topic = Live(Settings()), Topics.under(Settings().namespace).dead_letters
    letter = msgspec.structs.replace(refused("not told"), stage="notify", execution=to_text(ONE))
    with live.waiters.expect(ONE) as answer:
        live._take(topic, [SimpleNamespace(value=msgspec.json.encode(letter), offset=0, key=None)])
        assert not answer.done()
