"""Executions in memory, and everything that a test may change while the dashboard looks on."""

from datetime import UTC, datetime, timedelta

from pipelines.ids import execution_id, to_text
from pipelines.requests import ExecutionFilter
from pipelines.views import (
    TERMINAL_STATES,
    AttemptView,
    DeadLetterView,
    ExecutionView,
    LogView,
    StateName,
    UpstreamView,
    WorkerView,
)


class World:
    """The executions, newest last, and everything that a test may change while the dashboard looks on."""

    def __init__(self) -> None:
        self.rows: dict[str, ExecutionView] = {}
        self.lines: dict[str, list[LogView]] = {}
        self.asked: list[str] = []
        self.workers: list[WorkerView] = []
        self.letters: list[DeadLetterView] = []
        self.minutes = 1200

    def clear(self) -> None:
        """Forget everything."""
        self.rows.clear()
        self.lines.clear()
        self.asked.clear()
        self.workers.clear()
        self.letters.clear()
        self.minutes = 1200

    def add(self, task: str, state: StateName, run: str = "nightly-1", **more: object) -> str:
        """Add an execution and give its id."""
        name = to_text(execution_id(task, run, len(self.rows)))
        at = more.pop("created_at", datetime.now(UTC))
        given = {
            "execution": name, "task": task, "pipeline": task.partition(".")[0], "run": run, "kind": "function",
            "state": state, "priority": 5, "pool": "default", "queue": "default", "owner": "ann", "attempt": 1,
            "created_at": at, "updated_at": at, "trigger": "all_success",
        }  # fmt: skip
        self.rows[name] = ExecutionView.model_validate(given | more)
        return name

    def change(self, name: str, **more: object) -> None:
        """Change an execution."""
        self.rows[name] = self.rows[name].model_copy(update={"updated_at": datetime.now(UTC), **more})

    def log(self, name: str, *texts: str, stream: str = "stdout") -> None:
        """Append lines to an execution's log."""
        lines = self.lines.setdefault(name, [])
        for text in texts:
            lines.append(LogView(cursor=str(len(lines) + 1), at=datetime.now(UTC), attempt=1, stream=stream, text=text))

    def refuse(self, reason: str, at: datetime) -> None:
        """Add a dead letter."""
        place = {"stage": "schedule", "topic": "headrace.tasks", "partition": 0, "offset": len(self.letters)}
        self.letters.append(DeadLetterView.model_validate({"at": at, "reason": reason, "first_bytes": "", **place}))

    def matching(self, which: ExecutionFilter) -> list[ExecutionView]:
        """The executions that match, newest first."""
        return [row for row in reversed(self.rows.values()) if _matches(row, which)]

    def act(self, verb: str, name: str) -> str | None:
        """Cancel or retry; gives the reason where it is refused."""
        row = self.rows[name]
        self.asked.append(f"{verb} {name}")
        if verb == "cancel":
            if row.state in TERMINAL_STATES:
                return f"it has ended as {row.state}"
            self.change(name, state="cancelled", finished_at=datetime.now(UTC))
            return None
        if row.state not in TERMINAL_STATES or row.retried_as:
            return "only what has ended can be retried"
        again = self.add(row.task, "waiting", row.run, retry_of=name)
        self.change(name, retried_as=again)
        return None


def _matches(row: ExecutionView, which: ExecutionFilter) -> bool:
    wanted = which.model_dump(exclude_defaults=True)
    text = wanted.pop("text", "")
    since, until = wanted.pop("since", row.updated_at), wanted.pop("until", None)
    if row.updated_at < since or (until and row.updated_at >= until):
        return False
    if not any(text in part for part in (row.task, row.run, row.execution)):
        return False
    return all(getattr(row, k) in v if isinstance(v, tuple) else getattr(row, k) == v for k, v in wanted.items())


def realistic() -> World:
    """A night of work: some of everything."""
    world, now = World(), datetime.now(UTC)
    tasks = ("flights.load", "flights.clean", "flights.by_carrier", "weather.fetch", "weather.join", "report.draw")
    for n in range(120):
        at = now - timedelta(seconds=40 * (120 - n))
        bad = n % 29 == 28
        world.add(
            tasks[n % 6], "failed" if bad else "succeeded", f"nightly-{n // 6}", created_at=at, started_at=at,
            finished_at=at, updated_at=at, worker=f"mill-{n % 2}", priority=(n * 7) % 10, waited_ms=120 + n * 17 % 900,
            ran_ms=300 + n * 331 % 9000, max_latency_ms=10_000 if n % 3 else None,
            error="ConnectionError: the weather service answered 503 Service Unavailable" if bad else None,
        )  # fmt: skip
    _present(world, now)
    return world


def _present(world: World, now: datetime) -> None:
    for n in range(12):
        late = n < 7
        at = now - timedelta(seconds=90 - 6 * n)
        world.add(
            "orders.score", "waiting", f"batch-{n}", created_at=at, ready_at=at,
            priority=9 - n % 4, late=late, attempt=0,
            max_latency_ms=10_000 if late else 600_000, pool="gpu" if n % 3 == 0 else "default",
            why=("3rd of 812 in pool `default`, behind 2 of priority 9", "queue `default` runs 5 of 5"),
        )  # fmt: skip
    load = world.add("sales.load", "succeeded", "monday", ran_ms=4200, waited_ms=90, worker="mill-0")
    clean = world.add("sales.clean", "running", "monday", **running(now, 3))
    draw = world.add("sales.draw", "blocked", "monday", attempt=0, why=("waits for `sales.clean` (running 8s)",))
    world.change(load, downstream=(UpstreamView(execution=clean, task="sales.clean", state="running"),))
    world.change(
        clean, upstream=(UpstreamView(execution=load, task="sales.load", state="succeeded"),),
        downstream=(UpstreamView(execution=draw, task="sales.draw", state="blocked"),),
        payload={"month": "2026-11", "regions": ["north", "south"]},
    )  # fmt: skip
    world.change(draw, upstream=(UpstreamView(execution=clean, task="sales.clean", state="running"),))
    world.log(clean, *(f"cleaned part {n} of 40: {900 + n * 37} rows" for n in range(1, 31)))
    world.log(clean, "one row had no region and was left out", stream="stderr")
    world.add("sales.archive", "scheduled", "monday", attempt=0, due_at=now + timedelta(minutes=3))
    world.add("sales.mail", "retrying", "monday", attempt=2, error="SMTPServerDisconnected: please run connect() first")


def running(now: datetime, tries: int) -> dict[str, object]:
    """The fields of an execution whose last try of several runs now."""
    span = timedelta(seconds=4)
    first = now - span * tries
    attempts = []
    for n in range(tries):
        start, last = first + span * n, n == tries - 1
        attempts.append(
            AttemptView(
                attempt=n + 1, state="running" if last else "failed", worker=f"mill-{n % 2}", ready_at=start,
                dispatched_at=start + span / 8,
                started_at=start + span / 6, finished_at=None if last else start + span / 1.5,
                waited_ms=667, ran_ms=None if last else 2000, error=None if last else f"ValueError: bad row {n}",
            )
        )  # fmt: skip
    return {
        "attempts": tuple(attempts), "attempt": tries, "worker": f"mill-{(tries - 1) % 2}", "waited_ms": 667,
        "ready_at": attempts[-1].ready_at, "started_at": attempts[-1].started_at, "created_at": first,
    }  # fmt: skip
