"""What stages ask of each other. One Kafka message is an envelope: a msgpack list of these."""

from msgspec import Struct

from streams.engine.records import Job, TaskDef


class _Message(Struct, frozen=True, array_like=True, tag=True, gc=False):
    pass


Place = tuple[int, int]
"""Partition and offset of the event on headrace.submit that a command carries out: its sender knows that one."""

# --- to SCHEDULE, on headrace.tasks, by home partition ---------------------------------------------------


class CreateTask(_Message, frozen=True, tag="ct"):
    """Create or replace a task."""

    task: TaskDef
    at: int
    came: Place | None = None


class CreatePipeline(_Message, frozen=True, tag="cp"):
    """Create or replace a pipeline: all its tasks at once."""

    id: str
    tasks: tuple[TaskDef, ...]
    at: int
    description: str = ""
    came: Place | None = None


class DeleteTask(_Message, frozen=True, tag="dt"):
    """Take a task away from later executions."""

    task: str
    at: int
    came: Place | None = None


class Execute(_Message, frozen=True, tag="ex"):
    """Make an execution: of a task that exists, or of the one that comes with it (`task_def`)."""

    id: bytes
    task: str
    run: str
    at: int  # when it was submitted
    due_at: int = 0  # 0 = at once
    priority: int = -1  # -1 = the task's own
    payload: bytes = b""  # empty = the task's own
    lone: bool = False  # nobody named the run, so no upstream can be in it
    task_def: TaskDef | None = None
    came: Place | None = None


class ExecutePipeline(_Message, frozen=True, tag="ep"):
    """Make one execution per task of a pipeline, all in one run."""

    pipeline: str
    run: str
    at: int
    due_at: int = 0
    priority: int = -1
    payload: bytes = b""
    came: Place | None = None


class Cancel(_Message, frozen=True, tag="ca"):
    """Stop an execution."""

    id: bytes
    at: int
    reason: str = ""
    about: str = ""  # the task and run by which it was ordered, for a refusal; empty: by its id
    came: Place | None = None


class Retry(_Message, frozen=True, tag="re"):
    """Execute again what has ended."""

    id: bytes
    at: int
    about: str = ""  # see Cancel
    came: Place | None = None


class Finish(_Message, frozen=True, tag="fx"):
    """An external execution has ended. `state` is succeeded or failed; `result` is JSON or empty."""

    id: bytes
    at: int
    state: str
    result: bytes = b""
    error: str = ""
    attempt: int = 0  # 0 = whichever runs
    about: str = ""  # see Cancel
    came: Place | None = None


class Assign(_Message, frozen=True, tag="as"):
    """DISPATCH proposes: this worker may have this attempt. `seq` counts the lane's assignments."""

    id: bytes
    attempt: int
    worker: str
    lane: int
    seq: int


class Lend(_Message, frozen=True, tag="le"):
    """DISPATCH: a worker accepts more, so SCHEDULE may make its assignments `first` to `last` by itself."""

    worker: str
    pool: str
    lane: int
    first: int
    last: int


class Recall(_Message, frozen=True, tag="rc"):
    """DISPATCH: what is lent of this worker and not given away is to be voided."""

    worker: str


class Started(_Message, frozen=True, tag="st"):
    """A worker runs the code of an attempt, and it takes longer than a moment."""

    id: bytes
    attempt: int
    worker: str
    at: int


class Finished(_Message, frozen=True, tag="fi"):
    """An attempt has ended.

    `outcome`: succeeded, failed, timeout, skipped, refused (never retried), returned (it did not start), or lost (its
    worker leaves and had to stop it).
    """

    id: bytes
    attempt: int
    worker: str
    outcome: str
    started_at: int
    finished_at: int
    result: bytes = b""  # JSON, at most 64 KiB; empty = none
    error: str = ""  # shortened, for people
    cut: bool = False  # result or output was cut at its limit


class WorkerLost(_Message, frozen=True, tag="wl"):
    """The worker's lease ran out: whatever it had is nobody's now."""

    worker: str
    at: int


class Watch(_Message, frozen=True, tag="wa"):
    """`watcher` waits for `id`, which lives here (or will)."""

    id: bytes
    watcher: bytes


class Unwatch(_Message, frozen=True, tag="uw"):
    """`watcher` does not wait for `id` any more."""

    id: bytes
    watcher: bytes


class UpstreamFinished(_Message, frozen=True, tag="uf"):
    """An upstream of `id` has ended; `result` is its JSON value or empty."""

    id: bytes
    upstream: bytes
    state: str
    result: bytes = b""


class Tell(_Message, frozen=True, tag="te"):
    """The rest of those who wait for `id`, which has ended: whose ids follow `after`."""

    id: bytes
    after: bytes


class Wake(_Message, frozen=True, tag="wk"):
    """An execution's own timer is due, as far as its scheduler knows the log's time (`at`); the log's time decides.

    The partition's clock writes it into its own log. No execution (empty) only asks the log what time it is.
    """

    id: bytes
    at: int
    since: int = 0  # the log's time when that clock had looked before; 0: it looks for the first time


class Sweep(_Message, frozen=True, tag="sw"):
    """Something has been kept for long enough. The partition's clock writes it into its own log."""

    at: int


Order = CreateTask | CreatePipeline | DeleteTask | Execute | ExecutePipeline | Cancel | Retry | Finish
"""What callers want, and at which moment (`at`)."""

TaskCommand = (
    Order
    | Assign
    | Lend
    | Recall
    | Started
    | Finished
    | WorkerLost
    | Watch
    | Unwatch
    | UpstreamFinished
    | Tell
    | Wake
    | Sweep
)

OF_EXECUTION = frozenset({Execute, Cancel, Retry, Finish, Assign, Started, Finished, UpstreamFinished, Tell, Wake})
"""Commands about one execution, which their `id` names."""

# --- to DISPATCH, on headrace.ready, by pool ---------------------------------------------------------------


class Ready(_Message, frozen=True, tag="rd"):
    """An execution may run. Its place in the line is (priority, deadline, ready_at, arrival, id)."""

    pool: str
    id: bytes
    attempt: int  # the attempt that an assignment must name
    priority: int
    deadline: int
    ready_at: int
    arrival: int = 0


class Withdraw(_Message, frozen=True, tag="wd"):
    """An execution left the line by another door."""

    pool: str
    id: bytes
    priority: int
    deadline: int
    ready_at: int
    arrival: int = 0


class Beat(_Message, frozen=True, tag="be"):
    """A worker lives. The first one asks for a lane; `limit` < 0 says that it has none yet."""

    worker: str  # incarnation: name, a dash and eight hex digits
    pool: str
    slots: int
    limit: int  # how many assignments it accepts in all, counted since its lane was granted
    held: int  # what it has now, running or not
    running: int
    draining: bool = False
    version: str = ""
    host: str = ""
    pid: int = 0
    at: int = 0
    capacity: int = 0  # how many it wants to hold: slots and look-ahead


class Credit(_Message, frozen=True, tag="cr"):
    """A worker accepts assignments up to `limit`, counted since its lane was granted."""

    worker: str
    pool: str
    limit: int


class Goodbye(_Message, frozen=True, tag="gb"):
    """A worker has drained and leaves; its lane is free."""

    worker: str
    pool: str


class Queued(_Message, frozen=True, tag="qu"):
    """How many wait in a pool whose line SCHEDULE keeps, by priority, and when the oldest came (0: nobody waits)."""

    pool: str
    waiting: tuple[int, ...]
    oldest_ready_at: int


class Silent(_Message, frozen=True, tag="si"):
    """Nothing was heard of a worker for a whole lease. The partition's clock writes it into its own log.

    Without a name it is a question: whether the log is there, and what time it is in it.
    """

    worker: str
    at: int


ReadyCommand = Ready | Withdraw | Beat | Credit | Goodbye | Queued | Silent

# --- to a worker, on headrace.dispatch, its lane -------------------------------------------------------------


class Run(_Message, frozen=True, tag="ru"):
    """Do this."""

    job: Job


class Void(_Message, frozen=True, tag="vo"):
    """Assignments that came to nothing, from `seq` to `last` (0: that one alone); they count as received."""

    worker: str
    seq: int
    last: int = 0

    @property
    def numbers(self) -> range:
        """All of them."""
        return range(self.seq, max(self.seq, self.last) + 1)


class Stop(_Message, frozen=True, tag="so"):
    """Stop an attempt that runs or waits here; nobody wants its result."""

    worker: str
    id: bytes
    attempt: int


LaneMessage = Run | Void | Stop

# --- to all workers, on headrace.workers --------------------------------------------------------------------


class Grant(_Message, frozen=True, tag="gr"):
    """The lane is the worker's while it beats at least once a `lease` (milliseconds)."""

    worker: str
    lane: int
    lease: int
    assigned: int = -1  # answers a draining beat: so many assignments were made in all, and no more will follow


class Dismiss(_Message, frozen=True, tag="di"):
    """The worker's lease is over (`reason` says why): it stops all it has and asks for a new lane, if it can."""

    worker: str
    reason: str


WorkerMessage = Grant | Dismiss
