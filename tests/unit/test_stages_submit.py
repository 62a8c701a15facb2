"""The public door: what comes through, and what the letters say of the rest."""

import json

import msgspec
import pytest
from simulated.node import feed

from pipelines.ids import execution_id, home_of
from streams.engine import commands as c
from streams.engine.events import Refused
from streams.envelope import task_commands
from streams.settings import Settings
from streams.stages.incoming import Incoming, Send
from streams.stages.loop import Loop, Stage
from streams.stages.submit import Submit
from streams.state.memory import MemoryPartition
from streams.topics import layout

SETTINGS = Settings(task_partitions=3)
NOW = 1_700_000_000_000


def door(*values: bytes) -> list[Send]:
    """What the events in `values` lead to, one message each."""
    sent: list[Send] = []

    async def keep(sends: list[Send]) -> None:
        sent.extend(sends)

    loop = Loop(Stage("submit", "headrace.submit", "dead", lambda p: Submit(p, SETTINGS)), MemoryPartition(1), keep)
    feed(loop, [Incoming(offset * 3, NOW, value) for offset, value in enumerate(values)])
    return sent


def event(**fields: object) -> bytes:
    """An event as JSON."""
    return json.dumps(fields).encode()


def letter(value: bytes) -> Refused:
    """The dead letter that an event becomes."""
    (send,) = door(value)
    assert send.topic == "dead"
    return msgspec.json.decode(send.value, type=Refused)


def test_a_submission_goes_to_its_home() -> None:
    """One command, on the partition where the execution lives; gaps between offsets are nothing special here."""
    task = {"id": "t", "kind": "shell", "command": "true"}
    sends = door(event(type="submit", task=task, run="r"), event(type="cancel", task="t", run="r"))
    home = home_of(execution_id("t", "r"), 3)
    (send,) = sends
    assert (send.topic, send.partition) == ("headrace.tasks", home)
    first, second = task_commands(send.value)
    assert isinstance(first, c.Execute)
    assert (first.id, first.at) == (execution_id("t", "r"), NOW)
    assert isinstance(second, c.Cancel)


def test_i1_the_same_message_always_names_the_same_execution() -> None:
    """A repeated message of a run without a name meets the first one."""
    value = event(type="execute", task="t")
    assert [s.value for s in door(value)] == [s.value for s in door(value)]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"{not json", ["JSON", "(got '{not json')"]),
        (b"\xff\xfe\x00", ["JSON"]),
        (b"", ["JSON"]),
        (b"[]", ["object"]),
        (event(type="submit", task={"id": "t", "kind": "sleep", "seconds": 1}, colour="red"), ["colour"]),
        (event(type="submit", task={"id": "t", "kind": "sleep", "seconds": 1, "shape": 1}), ["shape"]),
        (event(type="sumbit", task={}), ["sumbit", "submit"]),
        (event(task="t"), ["type: missing; one of create, execute,", '(got {"task": "t"})']),
        (event(type="submit", task={"id": "t"}), ["task.kind: missing; one of function, python,", '(got {"id": "t"})']),
        (event(type="execute", task="t", priority="high"), ["priority", "high"]),
        (event(type="execute", task="t", priority=10), ["priority", "9"]),
        (event(type="submit", task={"id": "t", "kind": "dance"}), ["dance", "shell"]),
        (event(type="cancel"), ["name the execution, or the task and its run"]),
        (event(type="cancel", execution="0" * 35), ["0000", "UUID"]),
        (event(type="create", task={"id": "t", "kind": "shell", "command": "x" * 2_000_000}), ["bytes", "1048576"]),
    ],
)
def test_i11_a_bad_event_becomes_a_letter_that_names_the_fault(value: bytes, words: list[str]) -> None:
    """What was wrong, with what, and where it came from."""
    refused = letter(value)
    assert all(word in refused.reason for word in words), refused.reason
    assert (refused.stage, refused.topic, refused.partition, refused.offset) == ("submit", "headrace.submit", 1, 0)
    assert refused.first_bytes == value[:2048].decode("utf-8", "backslashreplace")


def test_i1_what_nobody_has_read_is_kept_by_the_brokers_clock() -> None:
    """By a producer's, which may be days behind or tell when something happened, it could be deleted at once."""
    times = {name: configs.get("message.timestamp.type") for name, (_, configs) in layout(SETTINGS).items()}
    assert [name for name, kind in times.items() if kind] == ["headrace.submit", "headrace.tasks", "headrace.ready"]
    assert times["headrace.submit"] == "LogAppendTime"


def test_i11_a_bad_event_stops_nothing() -> None:
    """Those before and behind it go through."""
    good = event(type="delete", task="t")
    sends = door(good, b"bad", good)
    assert sorted(send.topic for send in sends) == ["dead", "headrace.tasks"]
    assert len(task_commands(next(s.value for s in sends if s.topic != "dead"))) == 2
