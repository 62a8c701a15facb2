"""Random lives of a small cluster. The promises that each step is held against are named where they are checked."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from simulated.cluster import POOLS, Cluster
from simulated.states_page import documented
from simulated.worker import Worker

from pipelines.ids import execution_id
from streams.engine import commands as c
from streams.engine.records import RetryPolicy, Rule, State, TaskDef
from streams.envelope import task_commands
from streams.stages.past import is_mark

NAMES = ("a", "e", "b", "d", "c")  # their homes alternate
RUNS = ("r", "s")
PIPELINE = ("p.x", "p.y", "p.z")
TRIGGERS = (
    "all_success", "all_done", "one_success", "one_failed", "none_failed", "all_failed", "none_skipped", "always",
)  # fmt: skip
OUTCOMES = (
    "succeeded",
    "succeeded",
    "running",
    "started",
    "failed",
    "timeout",
    "skipped",
    "refused",
    "returned",
    "lost",
)
EVERYTHING = Rule(("completed", "failed", "retried", "lost", "late"), ("json://x",))


@st.composite
def tasks(draw: st.DrawFn, names: tuple[str, ...] = NAMES) -> TaskDef:
    """A task that waits for tasks of a lower index only, in its own run or in a named one."""
    index = draw(st.integers(0, len(names) - 1))
    upstream = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(("", *RUNS))), max_size=3, unique=True))
    sleeps = draw(st.integers(0, 9)) == 0
    return TaskDef(
        id=names[index],
        kind="sleep" if sleeps else draw(st.sampled_from(("python", "python", "python", "external"))),
        call=b"{}",
        payload=draw(st.sampled_from((b"", b"1"))),
        priority=draw(st.sampled_from((1, 5, 9))),
        pool=draw(st.sampled_from(POOLS)),
        upstream=tuple((t, run) for t, run in upstream if names.index(t) < index),
        trigger=draw(st.sampled_from(TRIGGERS)),
        retry=RetryPolicy(limit=draw(st.integers(0, 2)), delay=draw(st.sampled_from((0, 100, 3000)))),
        timeout=draw(st.sampled_from((0, 0, 3000))),
        execution_timeout=draw(st.sampled_from((0, 0, 30_000))),
        max_latency=draw(st.sampled_from((0, 0, 700))),
        at_most_once=draw(st.booleans()),
        notify=(EVERYTHING,),
        sleep=draw(st.sampled_from((0, 1500))) if sleeps else 0,
    )


SUBMISSIONS = st.lists(st.tuples(tasks(), st.sampled_from(RUNS)), min_size=1, max_size=5)


class Lives(RuleBasedStateMachine):
    """Submissions, workers, faults and time in any order; then faults stop, and everything must end."""

    homes = 2

    def __init__(self) -> None:
        super().__init__()
        self.repeated = False
        self.cluster = Cluster(self.homes)

    @initialize(some=SUBMISSIONS, slots=st.integers(1, 3))
    def begin(self, some: list[tuple[TaskDef, str]], slots: int) -> None:
        """There is a worker for each pool, and something to do."""
        for pool in POOLS:
            self.cluster.join(pool, slots)
        self._submit(some, 0, -1)
        self.pump(starts=False)

    # --- people -----------------------------------------------------------------------------------------------

    @rule(some=SUBMISSIONS, later=st.sampled_from((0, 0, 5000)), priority=st.sampled_from((-1, 7)))
    def submit(self, some: list[tuple[TaskDef, str]], later: int, priority: int) -> None:
        """Create and execute in one, some of them."""
        self._submit(some, later, priority)

    @rule(task=tasks(), parts=st.lists(tasks(PIPELINE), unique_by=lambda t: t.id, min_size=1))
    def create(self, task: TaskDef, parts: list[TaskDef]) -> None:
        """Create a task and a pipeline, or others of that name; the pipeline may lack what its tasks wait for."""
        self.cluster.about_task(c.CreateTask(task, self.cluster.logs.now), task.id)
        self.cluster.about_task(c.CreatePipeline("p", tuple(parts), self.cluster.logs.now), "p")

    @rule(name=st.sampled_from(NAMES), run=st.sampled_from(RUNS), lone=st.booleans())
    def execute(self, name: str, run: str, lone: bool) -> None:  # noqa: FBT001  (drawn by name)
        """Execute a task and a pipeline that may not exist."""
        self.cluster.about(c.Execute(execution_id(name, run), name, run, self.cluster.logs.now, lone=lone))
        self.cluster.about_task(c.ExecutePipeline("p", run, self.cluster.logs.now), "p")

    @precondition(lambda self: self.cluster.history.last)
    @rule(data=st.data(), what=st.sampled_from((c.Cancel, c.Retry, c.Retry, c.Finish)), failed=st.booleans())
    def meddle(self, data: st.DataObject, what: type, failed: bool) -> None:  # noqa: FBT001  (drawn by name)
        """Cancel, retry or finish an execution, whether that makes sense or not."""
        which, now = data.draw(st.sampled_from(sorted(self.cluster.history.last))), self.cluster.logs.now
        state = State.FAILED if failed else State.SUCCEEDED
        self.cluster.about(c.Finish(which, now, state, b"1") if what is c.Finish else what(which, now))

    # --- workers ----------------------------------------------------------------------------------------------

    @rule(outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=5), pumped=st.booleans())
    def work(self, outcomes: list[str], pumped: bool) -> None:  # noqa: FBT001  (drawn by name)
        """The workers do something with what they have, one after the other."""
        if pumped:
            self.pump(starts=False)
        jobs = [(worker, job) for worker in self.cluster.workers for job in worker.held.values()]
        for (worker, job), outcome in zip(jobs, outcomes, strict=False):
            self.cluster.act(worker, job, outcome)

    @rule(which=st.integers(0, 3), what=st.sampled_from(("join", "die", "die", "drain")), pool=st.sampled_from(POOLS))
    def staff(self, which: int, what: str, pool: str) -> None:
        """A worker joins and may find no lane, or dies and nobody is told, or drains."""
        workers = self.cluster.workers
        if what == "join" or not workers:
            self.cluster.join(pool, 2)
        elif what == "die":
            workers.pop(which % len(workers))
        else:
            self._drain(workers[which % len(workers)])

    # --- the world --------------------------------------------------------------------------------------------

    @rule(starts=st.booleans())
    def pump(self, starts: bool) -> None:  # noqa: FBT001  (drawn by name)
        """Everything arrives, and the workers say what room they have; perhaps they start all that they hold."""
        self.cluster.pump()
        self.cluster.beat()
        self.cluster.pump()
        self.cluster.check_deliveries()
        for worker in self.cluster.workers if starts else ():
            for job in list(worker.held.values()):
                self.cluster.act(worker, job, "running")

    @rule(data=st.data(), outcome=st.sampled_from(("succeeded", "failed", "returned")))
    def be_late(self, data: st.DataObject, outcome: str) -> None:
        """A worker that was given up speaks of what it had, and a dispatcher of what it had given away."""
        self.cluster.pump()
        known = [record for record in self.cluster.records() if record.attempt]
        if known:
            record, now = data.draw(st.sampled_from(known)), self.cluster.logs.now
            for behind, worker in ((0, "given up"), (1, record.worker)):
                late = c.Finished(record.id, record.attempt - behind, worker, outcome, now, now, b"1")
                self.cluster.check_stale(late)
                self.cluster.check_stale(c.Assign(record.id, record.attempt - behind, worker, 0, 0))
            self.cluster.check_stale(c.Started(record.id, record.attempt - 1, record.worker, now))

    @rule(home=st.integers(0, 1), limit=st.integers(1, 3))
    def step(self, home: int, limit: int) -> None:
        """Only one partition goes on."""
        self.cluster.homes[home % self.homes].batch(limit)
        self.cluster.step_ready()

    @rule(
        which=st.integers(0, 2),
        die_at=st.sampled_from(("sending", "committing", "sending late")),
        limit=st.integers(1, 3),
    )
    def crash(self, which: int, die_at: str, limit: int) -> None:
        """A stage dies in the middle of a batch."""
        cluster = self.cluster
        if die_at == "sending late":  # there is something to send then: assignments have just been proposed
            cluster.beat()
            while cluster.step_ready():
                pass
            limit = 1_000
        node = [*cluster.homes, cluster.ready][which % (self.homes + 1)]
        node.crash(1 if node is cluster.ready else limit, die_at)

    @rule(data=st.data(), home=st.integers(0, 1))
    def repeat(self, data: st.DataObject, home: int) -> None:
        """A message comes once more, late; what people say is said once, though."""
        home %= self.homes
        log = self.cluster.logs.messages[self.cluster.topics.tasks, home]
        if log:
            offset = data.draw(st.integers(0, len(log) - 1))
            if not self._said_by_people(log[offset].value):
                self.cluster.repeat(home, offset)
                self.repeated = True

    @rule(milliseconds=st.sampled_from((1, 300, 3000, 11_000)))
    def leap(self, milliseconds: int) -> None:
        """Time passes for the timers, and nobody says anything meanwhile: leases run out."""
        self.cluster.pass_time(milliseconds)

    @rule(milliseconds=st.sampled_from((-3_600_000, 0, 3_600_000)))
    def set_clock(self, milliseconds: int) -> None:
        """The schedulers' clock is set; the log's own time is not."""
        self.cluster.logs.ahead = milliseconds

    @rule(milliseconds=st.sampled_from((400, 4000)))
    def live(self, milliseconds: int) -> None:
        """Time passes, and everything works."""
        self.cluster.live(milliseconds)

    # --- what must hold ---------------------------------------------------------------------------------------

    @invariant()
    def the_record_is_sound(self) -> None:
        """I2, I4, I7, I9 (see History), and what the tables say of themselves."""
        self.cluster.history.read()

    def teardown(self) -> None:
        """I1, I3, I6 and I10: once faults stop and all that is due has rung, everything has ended."""
        self._heal()
        self.cluster.check_replays()
        self.cluster.check_loans()
        assert self.cluster.history.transitions <= documented(), "each step stands in docs/states.md"
        assert not self.cluster.open(), "I1, I10: every execution ends"
        self._forget()

    def _submit(self, some: list[tuple[TaskDef, str]], later: int, priority: int) -> None:
        now = self.cluster.logs.now
        due = now + later if later else 0
        for task, run in some:
            one = c.Execute(execution_id(task.id, run), task.id, run, now, due, priority, task_def=task)
            self.cluster.about(one)

    def _drain(self, worker: Worker) -> None:
        worker.draining = True
        for job in [job for key, job in worker.held.items() if key not in worker.running]:
            self.cluster.act(worker, job, "returned")
        worker.beat(self.cluster.logs, self.cluster.settings)

    def _said_by_people(self, value: bytes) -> bool:
        people = (c.CreateTask, c.CreatePipeline, c.Finish, c.Cancel)
        return any(isinstance(command, people) for command in task_commands(value))

    def _heal(self) -> None:
        cluster = self.cluster
        cluster.workers.clear()
        cluster.live(12_000)
        for pool in POOLS:
            cluster.join(pool, 4)
        for _ in range(60):
            cluster.live(1_000)
            self._submit_what_is_waited_for()
            for record in cluster.open():
                if record.kind == "external" and record.state == State.RUNNING:
                    cluster.about(c.Finish(record.id, cluster.logs.now, State.SUCCEEDED))
            for worker in cluster.workers:
                self._do_all(worker)
            cluster.pump()
            if not cluster.open():
                return

    def _do_all(self, worker: Worker) -> None:
        for job in list(worker.held.values()):
            self.cluster.act(worker, job, "succeeded")

    def _submit_what_is_waited_for(self) -> None:
        known = {record.id for record in self.cluster.records()}
        for record in self.cluster.open():
            for upstream, task, outcome in record.upstream:
                run = next((run for run in RUNS if execution_id(task, run) == upstream), None)
                if upstream not in known and not outcome and run:
                    plain = TaskDef(task, "python", b"{}")
                    self.cluster.about(c.Execute(upstream, task, run, self.cluster.logs.now, task_def=plain))

    def _forget(self) -> None:
        """What ended long ago leaves nothing but a mark and what is defined, and after days no mark and no ban."""
        cluster = self.cluster
        for milliseconds, kept in ((3_700_000, b"tlgEcxFf"), (8 * 86_400_000, b"tlcf")):
            for _ in range(3):
                cluster.pass_time(milliseconds)
                cluster.pump()
            cluster.check_replays()
            for home in cluster.homes:
                rows = home.warm.scan(b"!", b"\xff", 10_000)
                assert all(is_mark(value) for key, value in rows if key.startswith(b"x")), "marks take records' places"
                left = {key[:1] for key, _ in rows}
                late = {b"h"} if self.repeated else set()  # a wish that came again when nobody had it any more
                assert left <= {bytes((b,)) for b in kept} | late, "what has ended leaves the tables"


class LivesOfOne(Lives):
    """The same where all executions live on one partition, to which DISPATCH lends."""

    homes = 1


TestLives, TestLivesOfOne = Lives.TestCase, LivesOfOne.TestCase
TestLives.settings = TestLivesOfOne.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
