"""kill -9 of schedulers and workers under load, judged from outside: by the tasks' own word and by ClickHouse."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from pipelines.ids import to_text
from streams.client import KafkaClient
from streams.engine.records import RetryPolicy, TaskDef
from tests.apps.whole import Whole, kill, pids, whole
from tests.history.facts import Asked, History, Row, Step, Task
from tests.history.judge import judge
from tests.history.read import steps_of_rows, witnessed_of
from ui.client import Client

pytestmark = pytest.mark.timeout(600)

CALL = b'{"function":"witnessed"}'
RUN = "fire"
SECONDS = 24
RATE = 100
DRAIN = 90.0

ENDED = "('succeeded','failed','lost','cancelled','skipped','upstream_failed')"
OPEN = f"SELECT count(), countIf(state NOT IN {ENDED}) FROM executions WHERE run = {{run:String}}"  # noqa: S608  (ours)
ROWS = "SELECT execution, state, attempt FROM executions WHERE run = {run:String} LIMIT 100000"
TERMINAL = f"SELECT execution, count() FROM events WHERE what IN {ENDED} GROUP BY execution LIMIT 100000"  # noqa: S608  (ours)
AFTER = f"""
SELECT count() FROM (
    SELECT execution, maxIf(version, what IN {ENDED}) AS last, max(version) AS newest
    FROM events GROUP BY execution HAVING last > 0 AND newest > last
)
"""  # noqa: S608  (ours)


STEPS = """
SELECT execution, version, what, state, attempt, toUnixTimestamp64Milli(at), worker
FROM events ORDER BY execution, version LIMIT 100000
"""


@dataclass
class Story:
    """What was acknowledged, and all that is known of it afterwards."""

    once: set[str] = field(default_factory=set)
    often: set[str] = field(default_factory=set)
    edges: list[tuple[str, str]] = field(default_factory=list)
    said: list[tuple[str, str, int, float]] = field(default_factory=list)
    rows: dict[str, tuple[str, int]] = field(default_factory=dict)
    row_count: int = 0
    terminal_events: Counter[str] = field(default_factory=Counter)
    steps_after_the_end: int = 0
    steps: list[Step] = field(default_factory=list)

    @property
    def acknowledged(self) -> set[str]:
        """All of them."""
        return self.once | self.often

    def history(self) -> History:
        """The same for the judge of histories."""
        upstream = {b: (a,) for a, b in self.edges}
        return History(
            asked=[Asked("submit", "ok", execution) for execution in sorted(self.acknowledged)],
            tasks={e: Task(e in self.once, upstream=upstream.get(e, ())) for e in self.acknowledged},
            witnessed=witnessed_of(self.said),
            steps=self.steps,
            rows=[Row(execution, *stood) for execution, stood in self.rows.items()],
        )

    def moments(self, word: str) -> dict[str, list[float]]:
        """When each execution said `word`."""
        found: dict[str, list[float]] = {}
        for said, execution, _, at in self.said:
            if said == word:
                found.setdefault(execution, []).append(at)
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Half a minute of load in which a scheduler and a worker die in turn, each twice."""
    with whole(tmp_path_factory.mktemp("fire"), session_timeout=1.5, lease=3, slots=4) as (system, client):
        system.also("scheduler")
        system.also("worker")
        _until(lambda: len(pids(client, "scheduler")) > 1 and len(client.workers()) > 1, 60)
        told = Story()
        asyncio.run(_load_and_kill(system, client, told))
        _until(lambda: _open(client) == 0, DRAIN)
        _read(system, client, told)
        yield told


async def _load_and_kill(system: Whole, client: Client, told: Story) -> None:
    killing = asyncio.create_task(asyncio.to_thread(_kill, system, client))
    async with KafkaClient(system.settings) as kafka:
        for number in range(SECONDS * RATE // 4):
            first, second = _pair(number)
            ids = await kafka.submit_many([second, first, _once(number), _plain(number)], RUN)
            b, a, once, plain = map(to_text, ids)
            told.often |= {a, b, plain}
            told.once.add(once)
            told.edges.append((a, b))
            await asyncio.sleep(4 / RATE)
    await killing


def _kill(system: Whole, client: Client) -> None:
    for role in ("scheduler", "worker") * 2:
        time.sleep(SECONDS / 6)
        kill(pids(client, role)[-1])
        if role == "worker":
            system.also("worker")


def _pair(number: int) -> tuple[TaskDef, TaskDef]:
    """Two tasks, the second behind the first, on partitions of their own."""
    first = TaskDef(f"a{number}", "function", CALL, b"0.005", retry=RetryPolicy(3, 100))
    second = TaskDef(f"b{number}", "function", CALL, upstream=((first.id, ""),), retry=RetryPolicy(3, 100), priority=9)
    return first, second


def _once(number: int) -> TaskDef:
    return TaskDef(f"once{number}", "function", CALL, b"0.08", at_most_once=True, priority=number % 10)


def _plain(number: int) -> TaskDef:
    return TaskDef(f"plain{number}", "function", CALL, b"0.12", priority=number % 10, retry=RetryPolicy(3, 100))


def _open(client: Client) -> int:
    """How many of the run have not ended, or are not there yet."""
    total, still = (int(str(n)) for n in client.sql(OPEN, {"run": RUN}).rows[0])
    return still + SECONDS * RATE // 4 * 4 - total


def _read(system: Whole, client: Client, told: Story) -> None:
    told.said = system.said()
    rows = client.sql(ROWS, {"run": RUN}).rows
    told.row_count = len(rows)
    told.rows = {str(execution): (str(state), int(str(attempt))) for execution, state, attempt in rows}
    told.terminal_events = Counter({str(e): int(str(n)) for e, n in client.sql(TERMINAL).rows})
    told.steps = steps_of_rows(client.sql(STEPS).rows)
    told.steps_after_the_end = int(str(client.sql(AFTER).rows[0][0]))


def _until(holds: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise AssertionError("it did not come to that in time")
        time.sleep(0.25)


def test_i1_every_acknowledged_submission_ends_visibly(story: Story) -> None:
    """Whatever the client was told is safe stands in ClickHouse with a terminal state."""
    ended = {"succeeded", "failed", "lost"}
    assert len(story.acknowledged) == SECONDS * RATE // 4 * 4
    assert story.acknowledged - {e for e, (state, _) in story.rows.items() if state in ended} == set()


def test_i2_at_most_once_starts_at_most_once(story: Story) -> None:
    """By the tasks' own word: never twice; what never started is lost, and says so; what ran to its end succeeded."""
    starts = story.moments("start")
    assert {e: len(starts[e]) for e in story.once if len(starts.get(e, [])) > 1} == {}
    assert {story.rows[e][0] for e in story.once} <= {"succeeded", "lost"}
    assert {e for e in story.once if story.rows[e][0] == "succeeded" and e not in starts} == set()


def test_i3_at_least_once_runs_until_it_succeeds(story: Story) -> None:
    """A killed worker or scheduler costs an attempt, never the execution."""
    ends = story.moments("end")
    assert {e: story.rows[e] for e in story.often if story.rows[e][0] != "succeeded"} == {}
    assert story.often - set(ends) == set()


def test_i4_nothing_starts_before_its_upstream_has_succeeded(story: Story) -> None:
    """The second of each pair starts after an end of the first, though it was submitted before it."""
    starts, ends = story.moments("start"), story.moments("end")
    assert [(a, b) for a, b in story.edges if min(starts[b]) < min(ends[a])] == []


def test_i7_exactly_one_terminal_row(story: Story) -> None:
    """One row an execution, one terminal event an execution, whatever was repeated on the way."""
    assert story.row_count == len(story.rows) == len(story.acknowledged)
    assert {e: n for e, n in story.terminal_events.items() if n != 1} == {}


def test_i9_no_terminal_state_is_left_and_the_last_attempt_counts(story: Story) -> None:
    """No step follows the last one, and the recorded attempt is one that really ran to its end."""
    ran = {(execution, attempt) for word, execution, attempt, _ in story.said if word == "end"}
    assert story.steps_after_the_end == 0
    assert {
        e for e, (state, attempt) in story.rows.items() if state == "succeeded" and (e, attempt) not in ran
    } == set()


def test_the_judge_of_histories_finds_nothing(story: Story) -> None:
    """The checker that judges simulated lives judges this real one: see tests/history."""
    verdict = judge(story.history())
    assert verdict.violations == [], str(verdict)
    assert set(verdict.judged) == {"I1", "I2", "I3", "I4", "I7", "I9", "I10"}


def test_the_fire_was_real(story: Story) -> None:
    """Some attempt was really lost and done again, or these tests have shown nothing."""
    assert max(attempt for _, attempt in story.rows.values()) > 1 or "lost" in {s for s, _ in story.rows.values()}
