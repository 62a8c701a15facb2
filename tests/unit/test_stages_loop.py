"""The loop of a partition: its order, its dead letters, and what it does in the middle of trouble."""

import asyncio
import json
from collections.abc import Container
from threading import Event
from types import SimpleNamespace

import msgspec
import pytest
from simulated.node import content, feed, handle, run
from simulated.virtual.clock import VirtualLoop
from structlog.testing import capture_logs

from pipelines.ids import execution_id, to_text
from streams.engine import commands as c
from streams.engine import decide, follow
from streams.engine.events import Refused
from streams.engine.loan import spend
from streams.engine.records import LATEST, Loan, State, TaskDef
from streams.engine.step import Step
from streams.envelope import pack, ready_commands, task_commands
from streams.settings import Settings
from streams.stages import schedule
from streams.stages.incoming import BugError, Incoming, Send
from streams.stages.loop import GATHER_ABOVE, PART, SAVE_AFTER, GapError, Loop, Stage
from streams.stages.schedule import Schedule
from streams.stages.task_table import TaskTable
from streams.state.memory import MemoryPartition
from streams.state.partition import Changes
from streams.topics import GATHER

SETTINGS = Settings(task_partitions=1)


class Noted(MemoryPartition):
    """A partition that notes when it was committed to."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    async def commit(self, changes: Changes, marker: int) -> None:
        """See Partition."""
        self.notes.append(f"commit {marker}")
        await super().commit(changes, marker)


class Rig:
    """A loop of SCHEDULE over a partition in memory; what it sends is kept."""

    def __init__(self) -> None:
        self.partition = Noted()
        self.sent: list[Send] = []
        self.restart()

    def restart(self) -> None:
        """Go on with nothing in memory."""
        stage = Stage("schedule", "in", "dead", lambda p: Schedule(p, SETTINGS))
        self.loop = Loop(stage, self.partition, self._send)

    def take(self, *messages: Incoming) -> None:
        """Handle these messages."""
        feed(self.loop, list(messages))

    def decide(self, message: Incoming) -> None:
        """Handle this message, and save nothing."""
        self.loop.put([message], bool)
        run(self.loop._batch())

    def topics(self) -> list[str]:
        """Where something was sent, in order, without the namespace."""
        return [send.topic.partition(".")[2] or send.topic for send in self.sent]

    def letters(self) -> list[Refused]:
        """The dead letters."""
        letters = [send.value for send in self.sent if send.topic in {"dead", "headrace.dead-letters"}]
        return [msgspec.json.decode(value, type=Refused) for value in letters]

    async def _send(self, sends: list[Send]) -> None:
        self.partition.notes.append(f"send {len(sends)}")
        self.sent += sends


def message(offset: int, *commands: c.TaskCommand) -> Incoming:
    """One envelope."""
    (value,) = pack(commands)
    return Incoming(offset, 1_000 + offset, value)


def execute(task: str = "t", **fields: object) -> c.Execute:
    """A create-and-execute."""
    return c.Execute(execution_id(task, "r"), task, "r", 1, task_def=TaskDef(task, "python", b"{}", **fields))


def _broken(_step: object, _command: c.Cancel) -> None:
    raise ZeroDivisionError("a bug")


def executions(partition: MemoryPartition) -> int:
    """How many there are."""
    return len(partition.scan(b"x", b"y", 10_000))


def test_outputs_then_the_changelog_then_what_may_only_leave_after() -> None:
    """The order that makes a kill at any moment harmless."""
    rig = Rig()
    rig.take(message(0, execute(at_most_once=True)))
    rig.partition.notes.clear()
    rig.sent.clear()
    rig.take(message(1, c.Assign(execution_id("t", "r"), 1, "w", 3, 1)))
    assert rig.partition.notes == ["send 1", "commit 1", "send 1"]
    assert rig.topics() == ["events", "dispatch"]


def test_what_became_of_a_lost_workers_executions_is_logged_once() -> None:
    """When it is durable: what a kill leaves undone is decided again, and said by whoever does."""
    rig = Rig()
    rig.take(message(0, execute("once", at_most_once=True), execute("a"), execute("b")))
    assigned = [c.Assign(execution_id(task, "r"), 1, "w", 3, n) for n, task in enumerate(("once", "a", "b"), 1)]
    rig.take(message(1, *assigned))
    lost = message(2, c.WorkerLost("other", 1_002), c.WorkerLost("w", 1_002))
    with capture_logs() as told:
        rig.decide(lost)
        rig.restart()
        assert told == []
        rig.take(lost)
        rig.restart()
        rig.take(lost, message(3, c.WorkerLost("w", 1_003)))
    [line] = told
    assert line["log_level"] == "warning"
    assert line["event"] == (
        "of what worker 'w' had when it was lost: 2 dispatched again; 1 ended as lost, since they may not run twice "
        "(`headrace list --state lost`: look whether they did their work, and `headrace retry` what did not)"
    )


def test_what_waits_together_is_one_batch() -> None:
    """Under load batches grow by themselves."""
    rig = Rig()
    rig.take(*(message(n, execute(f"t{n}")) for n in range(10)))
    assert [note for note in rig.partition.notes if note.startswith("commit")] == ["commit 9"]


def test_batches_follow_each_other_before_the_table_is_written() -> None:
    """What was sent is durable; the table only says from where on the log is read again."""
    rig = Rig()
    for number in range(3):
        rig.decide(message(number, execute(f"t{number}")))
        assert not rig.loop._must_save()
    run(rig.loop._save())
    assert [note for note in rig.partition.notes if note.startswith("commit")] == ["commit 2"]
    assert executions(rig.partition) == 3


def test_i6_what_was_sent_and_not_written_is_decided_and_sent_again_just_so() -> None:
    """A kill between two saves: the next owner reads the same messages, in whatever batches they come."""
    rig = Rig()
    messages = [message(n, execute(f"t{n}")) for n in range(3)]
    for each in messages:
        rig.decide(each)
    sent, rig.sent = rig.sent, []
    rig.restart()
    for each in messages:
        rig.take(each)
    assert rig.sent == sent


@pytest.mark.parametrize("why", ["late", "weight", "time"])
def test_the_table_is_written_as_soon_as_something_waits_for_it(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An at-most-once attempt, a heavy batch, an old decision."""
    rig = Rig()
    rig.take(message(0, execute("once", at_most_once=True)))
    if why == "time":
        monkeypatch.setattr("streams.stages.loop.SAVE_AFTER", 0.0)
    late = c.Assign(execution_id("once", "r"), 1, "w", 3, 1)
    rig.decide(message(1, late if why == "late" else execute("plain")))
    if why == "weight":
        monkeypatch.setattr("streams.stages.loop.WEIGHT_LIMIT", 10)
    assert rig.loop._must_save()


def test_a_steady_trickle_does_not_put_off_the_save(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest decision counts, not the newest; after the save the next one is the oldest."""
    now, rig, saves = 100.0, Rig(), []
    monkeypatch.setattr("streams.stages.loop.time", SimpleNamespace(monotonic=lambda: now, time=lambda: now))
    for number in range(8):
        rig.decide(message(number, execute(f"t{number}")))
        saves.append(rig.loop._must_save())
        if saves[-1]:
            run(rig.loop._save())
        now += 0.4 * SAVE_AFTER
    assert saves == [False, False, False, True, False, False, False, True]


def test_a_partition_that_falls_idle_saves_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing arrives any more, and no timer is near: what is in memory alone is written when it is old enough."""
    rig, loop = Rig(), VirtualLoop()
    clock = SimpleNamespace(monotonic=loop.time, time=lambda: 1.0 + loop.time())
    monkeypatch.setattr("streams.stages.loop.time", clock)

    async def saved() -> list[float]:
        work, times = asyncio.create_task(rig.loop.run()), []
        for number in range(2):
            await asyncio.sleep(0.3)
            arrived = loop.time()
            rig.loop.put([message(number, execute(f"t{number}"))], bool)
            while rig.partition.marker < number:  # noqa: ASYNC110  (time is virtual)
                await asyncio.sleep(0.001)
            times.append(loop.time() - arrived)
        work.cancel()
        return times

    times = loop.run_until_complete(saved())
    loop.end()
    assert all(SAVE_AFTER <= seconds < 1.2 * SAVE_AFTER for seconds in times), times


@pytest.mark.parametrize(
    ("messages", "later", "pause"),
    [(GATHER_ABOVE, 0.001, 0.0), (GATHER_ABOVE + 1, 0.001, GATHER), (GATHER_ABOVE + 1, 0.0, 0.0)],
)
def test_only_after_a_batch_of_more_than_a_few_messages_more_are_waited_for(
    messages: int, later: float, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait at each stage costs a lone execution more than the requests it saves; what is there waits for no more."""
    rig, loop = Rig(), VirtualLoop()
    clock = SimpleNamespace(monotonic=loop.time, time=lambda: 1.0 + loop.time())
    monkeypatch.setattr("streams.stages.loop.time", clock)
    sent_at: list[float] = []
    more = [message(messages, execute("next"))]

    async def send(sends: list[Send]) -> None:
        sent_at.append(loop.time())
        if len(sent_at) == 1 and later:
            asyncio.get_running_loop().call_later(later, rig.loop.put, more, bool)
        elif len(sent_at) == 1:
            rig.loop.put(more, bool)
        await rig._send(sends)

    async def both() -> None:
        rig.loop._send = send
        rig.loop.put([message(n, execute(f"t{n}")) for n in range(messages)], bool)
        work = asyncio.create_task(rig.loop.run())
        while len(sent_at) < 2:  # noqa: ASYNC110  (time is virtual)
            await asyncio.sleep(0.0001)
        work.cancel()

    loop.run_until_complete(both())
    loop.end()
    assert sent_at[1] - sent_at[0] == pytest.approx(pause, abs=0.0015)


def test_i6_what_was_written_here_is_handled_once_and_in_its_place() -> None:
    """It need not be fetched where it is the very next one; behind a gap it waits for the fetch that brings all."""
    rig = Rig()
    messages = [message(n, execute(f"t{n}")) for n in range(4)]
    rig.loop.near(messages[0])
    rig.loop.near(messages[2])
    run(handle(rig.loop))
    assert (rig.partition.marker, executions(rig.partition)) == (0, 1)
    rig.take(*messages[:3])
    rig.loop.near(messages[1])
    rig.loop.near(messages[3])
    run(handle(rig.loop))
    assert [note for note in rig.partition.notes if note.startswith("commit")] == ["commit 0", "commit 2", "commit 3"]
    assert executions(rig.partition) == 4


def test_what_was_written_here_waits_for_its_fetch_where_too_much_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded, and the fetch brings what was left out."""
    rig = Rig()
    messages = [message(n, execute(f"t{n}")) for n in range(3)]
    monkeypatch.setattr("streams.stages.loop.QUEUE_BYTES", len(messages[0].value))
    for each in messages:
        rig.loop.near(each)
    assert [queued.offset for queued in rig.loop._queue] == [0, 1]
    rig.take(*messages)
    assert executions(rig.partition) == 3


@pytest.mark.parametrize("fields", [{"priority": 99}, {"priority": -7}, {"due_at": 1 << 62}, {"at": -1}], ids=str)
def test_i11_an_impossible_number_in_a_command_is_refused_and_reaches_no_table(fields: dict[str, int]) -> None:
    """Whoever may write envelopes may err in them; what stands behind it goes on."""
    rig = Rig()
    rig.take(message(0, msgspec.structs.replace(execute(), **fields)), message(1, execute("t2")))
    assert executions(rig.partition) == 1
    assert [str(next(iter(fields.values()))) in letter.reason for letter in rig.letters()] == [True]
    rig.restart()
    rig.take(message(2, c.Cancel(execution_id("t2", "r"), 1)))
    assert rig.partition.marker == 2


def test_repeated_offsets_are_skipped() -> None:
    """What the table has already is not decided again."""
    rig = Rig()
    first, second = message(0, execute()), message(1, execute("t2"))
    rig.take(first)
    before = content(rig.partition)
    rig.take(first)
    assert content(rig.partition) == before
    rig.take(first, second, second)
    assert (rig.partition.marker, executions(rig.partition)) == (1, 2)


def test_a_gap_stops_the_loop() -> None:
    """A log that lost messages is not silently gone on with; the error says how many are missing."""
    rig = Rig()
    rig.take(message(0, execute()))
    with pytest.raises(GapError, match=r"in-0: offset 5 follows 0; 4 messages are missing"):
        rig.take(message(5, execute("t2")))


NO_TEXT = b"\x91\x92\xa2\xd6A\x00"  # a list of one command, whose tag is no UTF-8


@pytest.mark.parametrize(
    "value", [b"\xc1", b"", b'{"type": "cancel"}', msgspec.msgpack.encode([["nobody", 1]]), NO_TEXT]
)
def test_i11_a_poison_message_becomes_a_dead_letter_and_the_rest_goes_on(value: bytes) -> None:
    """Its reason, position and first bytes are told; the messages around it are handled."""
    rig = Rig()
    rig.take(message(0, execute()), Incoming(1, 1_001, value), message(2, execute("t2")))
    (letter,) = rig.letters()
    assert letter.reason.startswith("not an envelope of task commands: ")
    assert (letter.stage, letter.topic, letter.partition, letter.offset, letter.at) == ("schedule", "in", 0, 1, 1_001)
    assert letter.first_bytes == value.decode("utf-8", "backslashreplace")
    assert (rig.partition.marker, executions(rig.partition)) == (2, 2)


def test_what_somebody_did_wrong_is_a_dead_letter_that_names_the_execution() -> None:
    """A rejection is told with the command itself."""
    rig = Rig()
    rig.take(message(0, c.Cancel(bytes(16), 1)))
    (letter,) = rig.letters()
    assert letter.reason == "no such execution, or it ended too long ago"
    assert letter.execution == "00000000-0000-0000-0000-000000000000"
    assert json.loads(letter.first_bytes) == {"command": "Cancel", "id": letter.execution, "at": 1}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (c.Retry(bytes(16), 5), (5, None, None)),
        (c.ExecutePipeline("p", "r", 5), (5, "p", "r")),
        (c.Retry(bytes(16), LATEST + 1), (None, None, None)),
    ],
    ids=["retry", "pipeline", "no time"],
)
def test_a_dead_letter_names_its_order(command: c.TaskCommand, told: tuple[object, ...]) -> None:
    """By the order's moment, which whoever ordered knows, and a pipeline's run; a moment that is none is left out."""
    rig = Rig()
    rig.take(message(0, command))
    (letter,) = rig.letters()
    assert (letter.ordered_at, letter.pipeline, letter.run) == told


def test_two_dead_letters_never_share_a_place() -> None:
    """Of a message that holds many commands the place of each that was refused is told too."""
    rig = Rig()
    rig.take(message(0, c.Cancel(bytes(16), 1), execute(), c.Cancel(bytes(16), 2)))
    assert [(letter.offset, letter.index) for letter in rig.letters()] == [(0, 0), (0, 2)]


def test_what_came_as_an_event_is_refused_at_its_own_place() -> None:
    """Its sender knows no other: the command that it became stands somewhere in a message of ours."""
    rig = Rig()
    rig.take(message(0, execute(), c.Cancel(bytes(16), 1, came=(2, 17))))
    (letter,) = rig.letters()
    assert (letter.stage, letter.topic, letter.partition) == ("schedule", "headrace.submit", 2)
    assert (letter.offset, letter.index) == (17, 0)


def test_i11_our_own_failure_on_a_command_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command becomes a dead letter; all others of the batch are as if it had never come."""
    plain = {0: message(0, execute()), 2: message(2, execute("t3"))}
    clean, rig = Rig(), Rig()
    idle = c.Wake(bytes(16), 0)  # changes nothing, and takes the place that the broken one has
    clean.take(plain[0], message(1, execute("t1"), idle, execute("t2"), idle), plain[2])
    monkeypatch.setitem(decide._PROCESSORS, c.Cancel, _broken)
    cancel = c.Cancel(bytes(16), 1)
    rig.take(plain[0], message(1, execute("t1"), cancel, execute("t2"), cancel), plain[2])
    assert content(rig.partition) == content(clean.partition)
    assert [letter.reason for letter in rig.letters()] == ["our own code failed on it: ZeroDivisionError: a bug"] * 2
    assert [s for s in rig.sent if s.topic != "dead"] == clean.sent


def test_i11_our_own_failure_takes_back_what_no_table_holds_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that were sent before it are decided again with it, and all of theirs is sent again, just so."""
    clean, rig = Rig(), Rig()
    plain = [message(n, execute(f"t{n}")) for n in range(3)]
    clean.take(plain[0], message(1, c.Wake(bytes(16), 0)), plain[2])
    monkeypatch.setitem(decide._PROCESSORS, c.Cancel, _broken)
    rig.decide(plain[0])
    sent = list(rig.sent)
    rig.decide(message(1, c.Cancel(bytes(16), 1)))
    again = rig.sent[len(sent) :]
    rig.decide(plain[2])
    run(rig.loop._save())
    assert content(rig.partition) == content(clean.partition)
    assert sent
    assert [send for send in again if send.topic != "dead"] == sent
    assert len(rig.letters()) == 1


def test_i11_our_own_failure_repeats_no_dead_letter_of_its_own_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused in front of it is refused again with the rest, and told once; what had left is told again."""
    rig = Rig()
    monkeypatch.setitem(decide._PROCESSORS, c.Cancel, _broken)
    poison = [Incoming(n, 1_000 + n, b"\xc1") for n in (0, 2)]
    rig.take(poison[0], message(1, c.Cancel(bytes(16), 1)), poison[1])
    assert sorted(letter.offset for letter in rig.letters()) == [0, 1, 2]
    rig.sent.clear()
    rig.decide(Incoming(3, 1_003, b"\xc1"))
    rig.decide(message(4, c.Cancel(bytes(16), 1)))
    assert sorted(letter.offset for letter in rig.letters()) == [3, 3, 4]


@pytest.mark.parametrize("restarts", [False, True])
def test_i11_a_message_too_heavy_for_one_commit_is_done_in_parts(
    monkeypatch: pytest.MonkeyPatch,
    restarts: bool,  # noqa: FBT001  (a parameter)
) -> None:
    """A kill between two parts goes on where the last one ended, and in the end no trace of the parts is left."""
    heavy = message(0, *(execute(f"t{n}", payload=b"x" * 1_000) for n in range(20)))
    whole, rig = Rig(), Rig()
    whole.take(heavy)
    monkeypatch.setattr(schedule, "WEIGHT_LIMIT", 5_000)
    monkeypatch.setattr(schedule, "TOGETHER", 2_000)
    if restarts:
        while rig.partition.marker < 0:
            rig.loop.put([heavy], bool)
            run(handle(rig.loop))
            rig.restart()
    else:
        rig.take(heavy)
    assert 3 < len(rig.partition.log) < 20
    assert rig.partition.get(PART) is None
    assert content(rig.partition) == content(whole.partition)
    rig.take(message(1, execute("later")))
    assert rig.partition.marker == 1


def _nearly_full(monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Our own code fails on a cancellation, and what is sent and not saved yet leaves room for little more."""
    rig = Rig()
    rig.take(message(0, *(execute(f"t{n}", payload=b"x" * 4_000) for n in range(8))))
    monkeypatch.setitem(decide._PROCESSORS, c.Cancel, _broken)
    monkeypatch.setattr(schedule, "TOGETHER", -1)
    monkeypatch.setattr(schedule, "WEIGHT_LIMIT", 25_000)
    rig.decide(message(1, c.Lend("w", "default", 0, 1, 5)))
    return rig


def test_i11_our_own_failure_behind_the_place_where_a_message_is_left_off_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was sent before it weighs too when all is decided again, so that it may not come as far as it had."""
    rig = _nearly_full(monkeypatch)
    rig.take(message(2, c.Lend("v", "default", 1, 1, 3), c.Wake(bytes(16), 0), c.Cancel(bytes(16), 1)))
    assert rig.partition.marker == 2
    assert [letter.index for letter in rig.letters()] == [2]


def test_i1_what_stands_behind_a_message_that_is_left_off_waits_and_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that is not saved is decided again where our own code fails, and may then have to be saved in the middle."""
    rig = _nearly_full(monkeypatch)
    rig.decide(message(2, c.Lend("v", "default", 1, 1, 3), c.Wake(bytes(16), 0), execute("behind")))
    rig.take(message(3, c.Cancel(bytes(16), 1), execute("last")))
    assert rig.partition.marker == 3
    assert executions(rig.partition) == 10
    assert [(letter.offset, letter.index) for letter in rig.letters()] == [(3, 0)]


def test_i11_thousands_of_large_executions_in_one_envelope_become_durable() -> None:
    """The commands are small and what they make is not: no commit passes what the changelog takes."""
    rig = Rig()
    rig.take(message(0, c.CreateTask(TaskDef("t", "python", b"{}", b"x" * 250_000), 1)))
    rig.take(message(1, *(c.Execute(execution_id("t", f"r{n}"), "t", f"r{n}", 1) for n in range(100))))
    assert (rig.partition.marker, executions(rig.partition)) == (1, 100)


EDGES = [TaskDef(f"p.{n}", "python", upstream=tuple(("p.x", f"{n}-{m}") for m in range(1_000))) for n in range(95)]
DEEP = tuple((f"p.{n}", "") for n in range(1_000))
WORST = {
    "a large pipeline is created": [
        c.CreatePipeline("p", tuple(TaskDef(f"p.{n}", "python", b"x" * 262_144) for n in range(31)), 1)
    ],
    "many small tasks are created": [
        c.CreatePipeline("p", tuple(TaskDef(f"p.{n}", "python") for n in range(13_000)), 1)
    ],
    "a pipeline of edges is executed": [c.CreatePipeline("p", tuple(EDGES[:44]), 1), c.ExecutePipeline("p", "r", 1)],
    "a pipeline of too many edges": [c.CreatePipeline("p", tuple(EDGES), 1), c.ExecutePipeline("p", "r", 1)],
    "one payload goes to all": [
        c.CreatePipeline("p", tuple(TaskDef(f"p.{n}", "python") for n in range(31)), 1),
        c.ExecutePipeline("p", "r", 1, payload=b"x" * 262_144),
    ],
    "many wait for the same many": [execute(f"q{n}", upstream=DEEP) for n in range(25)],
    "a pipeline that is too large is refused": [
        c.CreatePipeline("p", tuple(TaskDef(f"p.{n}", "python", b"x" * 250_000) for n in range(60)), 1)
    ],
}


@pytest.mark.parametrize("commands", WORST.values(), ids=WORST)
def test_i11_no_command_makes_more_than_one_commit_can_take(commands: list[c.TaskCommand]) -> None:
    """On top of a batch that is nearly full already: what cannot be committed would stop the partition for good."""
    rig = Rig()
    nearly = c.CreateTask(TaskDef("f", "python", b"{}", b"x" * 250_000), 1)
    full = [c.Execute(execution_id("f", f"r{n}"), "f", f"r{n}", 1) for n in range(23)]
    for offset, some in enumerate(([nearly, *commands[:-1]], [*full, commands[-1]])):
        (value,) = pack(some, 1 << 30)
        rig.take(Incoming(offset, 1_000, value))
    assert rig.partition.marker == 1
    assert executions(rig.partition) >= len(full)


def test_a_full_queue_accepts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a partition is bounded; whoever reads it goes on when there is room."""
    monkeypatch.setattr("streams.stages.loop.QUEUE_BYTES", 10)
    rig, accepted = Rig(), Event()
    rig.loop.put([message(0, execute())], accepted.set)
    assert not accepted.is_set()
    rig.take()
    assert accepted.is_set()


def test_the_marker_passes_what_are_no_messages() -> None:
    """Marks of transactions, once all before them is saved; nothing is written where nothing was passed."""
    rig = Rig()
    rig.decide(message(0, execute()))
    rig.loop.put([], bool, 3)
    run(rig.loop._pass_holes())
    assert rig.partition.marker == -1
    run(rig.loop._save())
    for _ in range(2):
        run(rig.loop._pass_holes())
    assert rig.partition.notes == ["send 1", "commit 0", "commit 2"]


def test_skipped_commands_are_those_that_were_named() -> None:
    """`skip` counts from zero within a message."""
    partition = MemoryPartition()
    skip: Container[int] = {0}
    logic = Schedule(partition, SETTINGS)
    one = message(0, execute("a"), execute("b"))
    assert logic.handle(one, skip) is None
    assert logic._table.execution(execution_id("a", "r")) is None
    assert logic._table.execution(execution_id("b", "r"))
    assert len(task_commands(one.value)) == 2


def test_i11_who_cannot_be_given_away_fails_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead letter names it; its neighbours get what is lent, those of its message and those behind it in line."""

    def broken(step: Step, loan: Loan, which: bytes) -> None:
        if which == execution_id("bad", "r"):
            raise ZeroDivisionError("a bug")
        spend(step, loan, which)

    monkeypatch.setattr(follow, "spend", broken)
    rig = Rig()
    rig.take(message(0, execute("a"), execute("bad"), execute("b")))
    rig.take(message(1, c.Lend("w", "default", 0, 1, 5)))
    assert [(letter.offset, letter.execution) for letter in rig.letters()] == [(1, to_text(execution_id("bad", "r")))]
    states = [TaskTable(rig.partition).execution(execution_id(task, "r")).state for task in ("a", "bad", "b")]
    assert states == [State.DISPATCHED, State.FAILED, State.DISPATCHED]


def test_i11_where_even_failing_fails_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not try the same for ever."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    rig = Rig()
    rig.take(message(0, execute("bad")))
    monkeypatch.setattr(follow, "spend", broken)
    monkeypatch.setattr(follow, "ended", broken)
    with pytest.raises(BugError):
        rig.take(message(1, c.Lend("w", "default", 0, 1, 5)))


@pytest.mark.parametrize("lent", [0, 40, 30])
def test_what_is_lent_is_given_to_the_same_wherever_a_message_is_left_off(
    lent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, or in parts with a kill after each: what is saved in between has no part in it.

    Left off between two commands, and in the middle of what a loan is spent on, be that as long as the line or not.
    """
    monkeypatch.setattr(schedule, "TOGETHER", 5_000)
    some = message(0, c.Lend("w", "default", 0, 1, 30))
    heavy = message(1, *(execute(f"t{n}", payload=b"x" * 1_000, priority=n % 10) for n in range(40)))
    more = message(2, c.Lend("v", "default", 1, 1, lent), *(execute(f"u{n}", priority=9) for n in range(3)))
    messages = [some, heavy] if not lent else [heavy, more]
    messages = [given._replace(offset=offset) for offset, given in enumerate(messages)]
    whole, parts = Rig(), Rig()
    whole.take(*messages)
    monkeypatch.setattr(schedule, "WEIGHT_LIMIT", 6_000)
    for given in messages:
        while parts.partition.marker < given.offset:
            parts.loop.put([given], bool)
            run(handle(parts.loop))
            parts.restart()
    assert len(parts.partition.log) > 4
    assert content(parts.partition) == content(whole.partition)


def test_dispatch_hears_how_long_the_line_is_and_at_once_when_it_is_empty() -> None:
    """Each second while somebody waits, by the process's own clock, which may be set back."""
    rig, which = Rig(), execution_id("a", "r")

    def told(now: int) -> list[c.ReadyCommand]:
        sends = rig.loop._logic.ring(now)
        return [q for send in sends if send.topic == "headrace.ready" for q in ready_commands(send.value or b"")]

    rig.take(message(0, execute("a", priority=3)))
    waits = c.Queued("default", (0, 0, 0, 1, 0, 0, 0, 0, 0, 0), 1_000)
    assert [told(now) for now in (5_000, 5_999, 6_000, 1_000, 2_000)] == [[waits], [], [waits], [], [waits]]
    rig.take(message(1, c.Cancel(which, 1)))
    empty = c.Queued("default", (0,) * 10, 0)
    assert [told(now) for now in (2_001, 9_000)] == [[empty], []]
