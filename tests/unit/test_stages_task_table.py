"""The table of executions over what has changed since its last save."""

from msgspec.structs import replace
from simulated.node import run

from pipelines.ids import execution_id
from streams.engine.records import Execution, State
from streams.stages.task_table import TaskTable
from streams.state.memory import MemoryPartition


def test_what_is_forgotten_has_no_body_any_more() -> None:
    """Not even where it was read beforehand, because it might be given out."""
    partition, which = MemoryPartition(), execution_id("t", "r")
    made, record = TaskTable(partition), Execution(which, "t", "r", "python", State.WAITING)
    made.put_execution(None, record)
    made.put_body(which, b"call", b"payload")
    run(partition.commit(made.changes(), 0))
    table = TaskTable(partition)
    table.expect([which], [which])
    assert table.body(which) == (b"call", b"payload")
    ended = replace(record, state=State.CANCELLED, finished_at=1, wake_at=2)
    table.put_execution(record, ended)
    assert table.over(2, 5, 10).executions == [which]
    table.forget(which, mark=True)
    assert table.body(which) == (b"", b"")


def test_what_ended_before_it_was_given_out_takes_no_room_any_more() -> None:
    """From the next save on."""
    partition, which = MemoryPartition(), execution_id("t", "r")
    table, record = TaskTable(partition), Execution(which, "t", "r", "python", State.WAITING)
    room = table._bodies.room
    table.put_execution(None, record)
    table.put_body(which, b"call", b"payload")
    assert table._bodies.room < room
    table.put_execution(record, replace(record, state=State.CANCELLED))
    table.saved()
    assert table._bodies.room == room
