"""What is known of a run: the pure data that promises are judged by, whoever collected it.

A simulated cluster fills in everything; a run of real processes what can be read there. A part that is None was not
looked at, and promises that need it are not judged (`judge` says which were). Executions are named by their UUID text,
times are epoch milliseconds of one clock.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from streams.engine.commands import Assign, Lend, ReadyCommand

TERMINAL = frozenset({"succeeded", "failed", "lost", "cancelled", "skipped", "upstream_failed"})

Place = tuple[str, int, int]
"""Topic, partition and offset of a message."""


class Asked(NamedTuple):
    """What a client did: `what` is submit, cancel or poison; `outcome` is ok, fail or unknown."""

    what: str
    outcome: str
    execution: str = ""
    place: Place = ("", 0, -1)  # of a poison message


class Task(NamedTuple):
    """What an execution was asked to be."""

    at_most_once: bool = False
    retries: int = 0
    priority: int = 5
    trigger: str = "all_success"
    upstream: tuple[str, ...] = ()  # ids of executions
    notify: tuple[tuple[str, str], ...] = ()  # (happening, address)
    not_before: float = 0.0
    submitted: float = 0.0  # for the first time
    fails_with: str = ""  # part of its error, where it is there to fail


class Witnessed(NamedTuple):
    """A start or an end of a task's own code, as an outsider saw it. `outcome` is empty for a start."""

    word: str
    execution: str
    attempt: int
    at: float
    worker: str = ""
    outcome: str = ""


class Step(NamedTuple):
    """One event of headrace.events, repetitions included, in the order of the log."""

    execution: str
    version: int
    what: str
    state: str
    attempt: int
    at: float
    worker: str = ""
    failures: int = 0
    losses: int = 0
    seq: int = 0  # which of its worker's assignments it was last


class Row(NamedTuple):
    """An execution as ClickHouse shows it."""

    execution: str
    state: str
    attempt: int
    error: str = ""


class Delivery(NamedTuple):
    """A notification as its target received it."""

    execution: str
    happening: str
    address: str


class Letter(NamedTuple):
    """A dead letter."""

    stage: str
    place: Place
    execution: str
    reason: str


class Copy(NamedTuple):
    """A table as its owner has it, and as its log replays it."""

    name: str
    live: dict[bytes, bytes]
    replayed: dict[bytes, bytes]


@dataclass
class History:
    """One run."""

    asked: list[Asked] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    witnessed: list[Witnessed] | None = None
    steps: list[Step] | None = None
    rows: list[Row] | None = None
    deliveries: list[Delivery] | None = None
    letters: list[Letter] | None = None
    ready: list[list[ReadyCommand]] | None = None  # the messages of one partition of headrace.ready
    assigned: list[Assign | Lend] | None = None  # what its dispatcher proposed and lent, repetitions included
    copies: list[Copy] | None = None
    troubles: list[str] = field(default_factory=list)  # processes that ended by an error of ours


class Violation(NamedTuple):
    """A broken promise: its number, the execution (empty: none in particular), and the evidence as a sentence."""

    promise: str
    execution: str
    evidence: str
