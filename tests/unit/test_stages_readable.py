"""Commands as people read them in dead letters."""

import json

from hypothesis import given
from hypothesis import strategies as st

from pipelines.events import SubmitEvent
from pipelines.ids import execution_id, to_text
from pipelines.model import FunctionTask
from streams.engine import commands as c
from streams.stages.readable import readable
from streams.translate import to_command


def test_a_task_is_shown_as_its_sender_knows_it() -> None:
    """Ids are text, payload and call are JSON, and what was not said is not shown."""
    task = FunctionTask(id="t", function="f", payload={"a": [1]}, upstream=("u",), priority=0)
    _, command = to_command(SubmitEvent(task=task, run="r"), 5, 1, "")
    assert json.loads(readable(command)) == {
        "command": "Execute",
        "id": to_text(execution_id("t", "r")),
        "task": "t",
        "run": "r",
        "at": 5,
        "task_def": {
            "id": "t",
            "kind": "function",
            "call": {"function": "f"},
            "payload": {"a": [1]},
            "priority": 0,
            "upstream": [["u", ""]],
        },
    }


@given(st.binary(max_size=20), st.text(max_size=5))
def test_whatever_came_can_be_shown(which: bytes, reason: str) -> None:
    """An id of a wrong length is no reason to fail."""
    shown = json.loads(readable(c.Cancel(which, 1, reason)))
    assert shown["id"] == (to_text(which) if len(which) == 16 else which.hex())


def test_a_result_is_json() -> None:
    """A finish shows the value that it carries."""
    shown = json.loads(readable(c.Finish(execution_id("t", "r"), 1, "succeeded", b'{"rows":3}')))
    assert (shown["command"], shown["state"], shown["result"]) == ("Finish", "succeeded", {"rows": 3})
