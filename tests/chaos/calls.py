"""Who calls the API, as through a balancer: a call goes to one edge and, where that one does not serve, to the next."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, NamedTuple

import httpx

from pipelines.events import SubmitEvent
from pipelines.model import SleepTask
from streams.token import read_token
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Hunt
from tests.chaos.figures import spread
from tests.chaos.stage import Stage
from tests.chaos.system import System

PATIENCE = 20.0
"""Seconds that an edge gets for its answer."""

ELSEWHERE = {502, 503, 504}
"""Statuses after which a balancer asks another edge."""

CALLERS, PAUSE = 4, 0.2
"""How many call side by side, and seconds between two rounds of each."""

LOOK_BACK = 3
"""Rounds."""

DECIDED_WITHIN = 2.0
"""Seconds for which they wait for the scheduler's decision, as people's clients do."""

SHOWN = 5
"""Reasons of failed calls that are told."""


class Call(NamedTuple):
    """What came of a call: what each edge that was asked answered, a status or the network's error; seconds of all."""

    phase: str
    what: str
    answers: tuple[str, ...]
    seconds: float = 0.0
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether nobody did what was asked."""
        return not self.answers[-1].startswith("2")


@dataclass
class Caller:
    """Makes rounds of calls, each with a number of its own and `pause` seconds after the one before.

    `phase`: what is the matter meanwhile; `accepted`: the executions that an edge has acknowledged, and `decided` those
    that the scheduler had made by then.
    """

    system: System
    round: Callable[["Caller", int], None]
    pause: float
    name: str = "call"
    phase: str = ""
    calls: list[Call] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    _doors: list[httpx.Client] = field(default_factory=list)
    _chance: Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = Random(self.name)

    def run(self, stop: threading.Event) -> None:
        """Call until told to stop."""
        headers = {"Authorization": f"Bearer {read_token(self.system.settings)}"}
        with ExitStack() as stack:
            for url in self.system.edges:
                door = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=PATIENCE)
                self._doors.append(stack.enter_context(door))
            for number in count():
                if stop.wait(self.pause):
                    return
                self.round(self, number)

    def was_served(self, what: str) -> bool:
        """Whether such a call did not fail in this phase."""
        return any((call.phase, call.what, call.failed) == (self.phase, what, False) for call in self.calls)

    def submit(self, number: int, wait: float = 0) -> None:
        """Submit a task, and wait so many seconds for the decision."""
        event = SubmitEvent(task=SleepTask(id=f"{self.name}-{number}", seconds=0), run="calls")
        body = {"content": event.model_dump_json(), "headers": {"content-type": "application/json"}}
        answer = self.ask("submit", "POST", "/v1/executions", params={"wait": wait}, **body)
        if answer is not None and answer.is_success:
            said = answer.json()
            self.accepted.append(said["execution"])
            self.decided += [said["execution"]] if said["decided"] else []

    def ask(self, what: str, method: str, path: str, **request: Any) -> httpx.Response | None:
        """Ask one edge, another one if that does not serve, and so on: in a new order each time."""
        phase, begun = self.phase, time.monotonic()
        answers: list[str] = []
        for door in self._chance.sample(self._doors, len(self._doors)):
            answer, said, detail = _asked(door, method, path, request)
            answers.append(said)
            if answer is not None and answer.status_code not in ELSEWHERE:
                break
        self.calls.append(Call(phase, what, tuple(answers), time.monotonic() - begun, detail))
        return answer


def _asked(
    door: httpx.Client, method: str, path: str, request: dict[str, Any]
) -> tuple[httpx.Response | None, str, str]:
    """An edge's answer, the same in a word, and what there is to say against the call."""
    try:
        answer = door.request(method, path, **request)
    except httpx.TransportError as error:
        return None, type(error).__name__, str(error)
    return answer, str(answer.status_code), "" if answer.is_success else answer.text[:300]


@contextmanager
def calling(callers: Sequence[Caller]) -> Iterator[None]:
    """They call while inside."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(callers)) as pool:
        running = [pool.submit(caller.run, stop) for caller in callers]
        try:
            yield
        finally:
            stop.set()
            for one in running:
                one.result()


def several(stage: Stage) -> Hunt:
    """Several of them submit, look at that and at what they submitted before, list, and ask how all is."""
    callers = [Caller(stage.system, _all_kinds, PAUSE, f"call-{n}") for n in range(CALLERS)]
    stage.extras["callers"] = callers
    with calling(callers):
        while True:
            yield


def _all_kinds(caller: Caller, number: int) -> None:
    before = caller.decided[-LOOK_BACK:]
    caller.submit(number, DECIDED_WITHIN)
    for execution in {*before[:1], *caller.decided[-1:]}:
        caller.ask("show", "GET", f"/v1/executions/{execution}")
    caller.ask("list", "GET", "/v1/executions", params={"limit": 10})
    caller.ask("health", "GET", "/health")


def what_came_of_them(stage: Stage, found: Evidence) -> dict[str, Any]:
    """How many calls there were, how many failed and why, and what became of what was acknowledged to them."""
    callers: list[Caller] = stage.extras["callers"]
    accepted = {one for caller in callers for one in caller.accepted}
    done = {row.execution for row in found.history.rows or () if row.state == "succeeded"}
    told = summary([call for caller in callers for call in caller.calls])
    told["acknowledged_by_calls"] = {"executions": len(accepted), "not_executed": len(accepted - done)}
    wrong = {"calls": told["calls"]["failed"], "acknowledged": len(accepted - done)}
    return told | {"violations": {name: number for name, number in wrong.items() if number}}


def summary(calls: Sequence[Call]) -> dict[str, dict[str, Any]]:
    """Figures of these calls; `asked_again`: those that needed another edge than the first, by what that one said."""
    failed = [call for call in calls if call.failed]
    return {
        "calls": {"made": len(calls), **Counter(call.what for call in calls), "failed": len(failed)},
        "calls_took_s": spread([call.seconds for call in calls]),
        "calls_asked_again": dict(Counter(call.answers[0] for call in calls if len(call.answers) > 1)),
        "calls_failed": dict(Counter(f"{c.what} {' '.join(c.answers)}: {c.detail}" for c in failed).most_common(SHOWN)),
    }
