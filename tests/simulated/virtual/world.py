"""All processes of a cluster and what is around them: they start, die, and are started again."""

import asyncio
from random import Random
from typing import NoReturn

from aiokafka import TopicPartition

from streams.app import plans
from streams.settings import Settings
from streams.state.exits import FENCED
from streams.topics import Topics, layout
from tests.history.facts import TERMINAL, Asked, Witnessed
from tests.simulated.virtual import kafka, sinks
from tests.simulated.virtual.broker import OUTSIDE, Broker
from tests.simulated.virtual.clock import CURRENT, Process, VirtualLoop
from tests.simulated.virtual.disk import Disk
from tests.simulated.virtual.faults import Faults
from tests.simulated.virtual.group import Group
from tests.simulated.virtual.people import People
from tests.simulated.virtual.scheduler import Scheduler, changelog
from tests.simulated.virtual.worker import run_worker

SAFETY = 3.0
"""Virtual seconds of faults."""

LIVENESS = 60.0
"""Virtual seconds after healing by which everything must have ended (I10)."""

REBORN = 0.1, 0.6
"""Seconds until a supervisor has started a process again."""

HOPELESS = 10
"""Processes that ended by an error, after which nobody waits for the rest."""

LOOK = 0.25
"""Seconds between two looks at whether all has ended."""

SETTINGS = Settings(
    namespace="h",
    task_partitions=1,
    ready_partitions=1,
    submit_partitions=1,
    event_partitions=1,
    lanes=6,
    lease=1.2,
    slots=1,
    standbys=1,
    notify_delay=0.05,
    notify_attempts=20,
).model_copy(update={"session_timeout": 0.8})  # shorter than a broker takes it, so that lives are short
SOON = 0.3
"""Seconds after which a third of all lives forget what has ended, in the middle of everything."""

ROLES = ("scheduler-0", "scheduler-1", "worker-0", "worker-1", "recorder-0", "notifier-0")


class World:
    """All processes of a cluster and what is around them."""

    def __init__(self, loop: VirtualLoop, seed: int, size: int) -> None:
        # with one partition of tasks, its loans; with two, none
        keep = SOON if seed % 3 == 0 else SETTINGS.keep_finished
        self.settings = SETTINGS.model_copy(update={"task_partitions": 1 + seed % 2, "keep_finished": keep})
        self.loop = loop
        self.chance = Random(seed)
        partitions = {name: count for name, (count, _) in layout(self.settings).items()}
        self.broker = Broker(loop, Random(self.chance.random()), partitions)
        self.topics = Topics.under(SETTINGS.namespace)
        self.disk = Disk()
        self.house, self.targets = sinks.House(self.broker), sinks.Targets(self.broker)
        self.people = People(self.settings, Random(self.chance.random()), size)
        made = plans(self.settings)
        tables = [TopicPartition(changelog(SETTINGS, plan), n) for plan in made for n in range(plan.partitions)]
        self.group = Group(loop, self.chance, tables, SETTINGS.session_timeout)
        self.living: dict[str, Process] = {}
        self.schedulers: dict[str, Scheduler] = {}
        self.witnesses: list[Witnessed] = []
        self.troubles: list[str] = []
        self.busy: dict[str, str] = {}
        """Which processes run a task's code, by their worker."""
        self._leaving: dict[str, asyncio.Event] = {}
        self._births = 0

    # --- processes --------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a process of a role; when it dies, its supervisor starts another one."""
        process = self.living[name] = Process(name, self._died)
        self._births += 1
        process.start(self.loop, self._run(name, self._births))

    def _died(self, process: Process) -> None:
        self.loop.call_later(self.chance.uniform(*REBORN), self.start, process.name, context=OUTSIDE)

    async def _run(self, name: str, birth: int) -> None:
        role = name.partition("-")[0]
        try:
            await getattr(self, f"_{role}")(name, birth)
        except Exception as error:  # noqa: BLE001  (the process would end by it)
            self.trouble(f"{name} ended: {error!r}")
        self._exit()

    async def _scheduler(self, name: str, birth: int) -> None:
        scheduler = self.schedulers[name] = Scheduler(self, f"{name}.{birth}", name)
        await scheduler.run()

    async def _worker(self, name: str, _birth: int) -> None:
        stopping = self._leaving[name] = asyncio.Event()
        await run_worker(self.settings, kafka.Producer(self.broker), self._witness, stopping)

    async def _recorder(self, _name: str, _birth: int) -> None:
        producer = kafka.Producer(self.broker, enable_idempotence=True)
        await sinks.run_recorder(self.settings, producer, self.house)

    async def _notifier(self, _name: str, _birth: int) -> None:
        await sinks.run_notifier(self.settings)

    def drain(self) -> None:
        """A worker is asked to leave."""
        self._leaving[self.chance.choice(sorted(self._leaving))].set()

    def trouble(self, sentence: str) -> None:
        """A process ended by an error of ours."""
        if not self.loop.sealed:
            self.troubles.append(sentence)
            self._exit()

    def stop_process(self, status: int, sentence: str) -> NoReturn:
        """Instead of streams.state.exits.stop_process: being fenced is in order, anything else is trouble."""
        if status != FENCED and not self.loop.sealed:
            self.troubles.append(sentence)
        self._exit()
        raise sinks.DiedError

    def _exit(self) -> None:
        if (process := CURRENT.get()) and not self.loop.sealed:
            process.kill()

    def _witness(self, word: str, execution: str, attempt: int, worker: str, outcome: str) -> None:
        if word == "start" and (process := CURRENT.get()):
            self.busy[worker] = process.name
        else:
            self.busy.pop(worker, None)
        self.witnesses.append(Witnessed(word, execution, attempt, self.broker.now(), worker, outcome))

    # --- a life -----------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """The safety phase, healing, and the liveness phase."""
        for name in ROLES:
            self.start(name)
        producer = kafka.Producer(self.broker, enable_idempotence=True)
        faults = Faults(self, Random(self.chance.random()))
        await asyncio.gather(self.people.live(producer, SAFETY), faults.rage(SAFETY))
        healed = self.loop.now
        for process in self.living.values():
            process.steps_left = -1
        while not self.ended() and self.loop.now < healed + LIVENESS:  # noqa: ASYNC110  (looking on changes nothing)
            await asyncio.sleep(LOOK)

    def ended(self) -> bool:
        """Whether there is nothing left to do: all has ended, is recorded and told, and every log is read."""
        if len(self.troubles) > HOPELESS:
            return True
        known = {row.execution: row.state for row in self.house.rows()}
        if any(a.what == "submit" and a.outcome == "ok" and known.get(a.execution) not in TERMINAL for a in self.asked):
            return False
        if any(state not in TERMINAL for state in known.values()):
            return False
        return self._all_recorded() and self._all_told() and self._settled()

    @property
    def asked(self) -> list[Asked]:
        """What clients asked for."""
        return self.people.asked

    def _all_recorded(self) -> bool:
        tp = TopicPartition(self.topics.events, 0)
        return self.house.places().get((tp.topic, tp.partition), 0) >= len(self.broker.logs[tp])

    def _all_told(self) -> bool:
        tp = TopicPartition(self.topics.notifications, 0)
        return self.broker.offsets.get((f"{SETTINGS.namespace}-notifier", tp), (0, ""))[0] >= len(self.broker.logs[tp])

    def _settled(self) -> bool:
        """Whether every table has an owner who has read all there is."""
        owned = {tp: p for s in self.present() for tp, p in s.owned.items()}
        sources = {changelog(SETTINGS, plan): plan.source for plan in plans(self.settings)}
        return set(owned) == set(self.group.partitions) and all(
            partition.marker + 1 == len(self.broker.logs[TopicPartition(sources[tp.topic], tp.partition)])
            for tp, partition in owned.items()
            if sources[tp.topic] != self.topics.ready  # beats never end
        )

    def present(self) -> list[Scheduler]:
        """The schedulers that live."""
        return [s for name, s in self.schedulers.items() if not self.living[name].dead]
