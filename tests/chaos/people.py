"""Clients: what they submit, by which door, and what they are told. What they ask for follows from the seed."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipelines.events import SubmitEvent
from pipelines.ids import execution_id, home_of, to_text
from streams.client import KafkaClient
from streams.engine.commands import Cancel
from streams.local.supervisor import TICK
from streams.topics import Topics
from tests.chaos.receiver import ADDRESS
from tests.chaos.system import System
from tests.history.facts import Asked, Task
from ui.client import ApiError, ApiUnavailableError

RUN = "chaos"
RATE = 40.0
"""Executions a second: a third of what the two workers can do, so that a line forms in each fault and goes again."""

CROWD = 1_500
"""Executions that may be open before people wait for others to end: a machine with other work to do gets slower, and a
line that it cannot work off would be judged in the place of what is promised."""

PATIENCE = 30.0
"""Seconds after which a client that heard nothing knows nothing."""

SECONDS = (0.0, 0.01, 0.05, 0.1, 0.4)
TRIGGERS = ("all_success", "all_success", "all_success", "all_done", "one_success", "none_failed")
HAPPENINGS = ("completed", "failed", "lost")
NOISE = 0.03
"""How often somebody also submits again, cancels, sends what nobody can read, or asks for a later time."""

LATEST = 5.0
"""Seconds until then, at most."""


@dataclass
class People:
    """What clients asked for, and what they know of it."""

    system: System
    address: str
    chance: Random
    asked: list[Asked] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    waited: int = 0
    """Seconds in which nobody submitted, because too much was open."""
    _recent: list[str] = field(default_factory=list)
    _given_up: bool = False
    _crowded: bool = False

    @contextmanager
    def busy(self) -> Iterator[None]:
        """They submit, in a thread of their own, while inside; when left, each of them knows or has given up.

        Until then who dies is started again. Where it is left by an error they give up at once: nobody may be there to
        answer.
        """
        stop, there = threading.Event(), Future[None]()
        failed: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self._live(stop, there))
            except BaseException as error:  # noqa: BLE001  (it is raised again where it is seen)
                failed.append(error)
                if not there.done():
                    there.set_exception(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            there.result()
            yield
            stop.set()
            while thread.is_alive():
                self.system.supervisor.pause(TICK)
        except BaseException:
            self._given_up = True
            raise
        finally:
            stop.set()
            thread.join()
        if failed:
            raise failed[0]

    async def _live(self, stop: threading.Event, there: Future[None]) -> None:
        bootstrap = self.system.settings.kafka
        async with (
            KafkaClient(self.system.settings) as client,
            AIOKafkaProducer(bootstrap_servers=bootstrap) as stock,
            asyncio.TaskGroup() as group,
        ):
            there.set_result(None)
            counting = group.create_task(self._count())
            while not stop.is_set():
                if self._crowded:
                    self.waited += 1
                    await asyncio.sleep(1)
                    continue
                events = [self._event() for _ in range(self.chance.choice((1, 2, 3, 8)))]
                self.chance.shuffle(events)  # what waits may come before what it waits for
                names = [_name(event.task.id) for event in events]
                for again in range(1 + (self.chance.random() < NOISE)):
                    door = self._by_http if self.chance.random() < 0.1 else client.submit_many
                    group.create_task(self._submit(names, partial(door, events), later=again))
                if self.chance.random() < NOISE:
                    group.create_task(self._ask("cancel", names[:1], self._cancel(client, events), later=0.3))
                if self.chance.random() < NOISE:
                    group.create_task(self._poison(stock))
                await asyncio.sleep(len(events) / RATE)
            counting.cancel()

    async def _count(self) -> None:
        while True:
            with suppress(ApiError, ApiUnavailableError):  # while the edge is away it stays as it was
                self._crowded = (await asyncio.to_thread(self.system.open))[0] > CROWD
            await asyncio.sleep(1)

    def _event(self) -> SubmitEvent:
        chance = self.chance
        upstream = chance.sample(self._recent, min(len(self._recent), chance.choice((0, 0, 1, 1, 3))))
        once, fails = chance.random() < 0.4, chance.choice((0, 0, 0, 0, 1))
        notify = [{"on": HAPPENINGS, "to": [self.address], "title": "{{ happening }}", "body": "{{ execution }}"}]
        task = {
            "id": f"t{len(self.tasks)}",
            "kind": "function",
            "function": "witnessed",
            "payload": {"seconds": chance.choice(SECONDS), "fails": fails, "padding": "x" * chance.choice((0, 1000))},
            "priority": chance.randrange(10),
            "upstream": upstream,
            "trigger": chance.choice(TRIGGERS),
            "retries": {"limit": 0 if once else 2, "delay": 0.1},
            "delivery": "at_most_once" if once else "at_least_once",
            "notify": notify if chance.random() < 0.05 else [],
        }
        at = datetime.now(UTC) + timedelta(seconds=chance.uniform(0, LATEST)) if chance.random() < NOISE else None
        event = SubmitEvent.model_validate({"task": task, "run": RUN, "at": at})
        self._note(event)
        return event

    def _note(self, event: SubmitEvent) -> None:
        task, at = event.task, event.at
        self.tasks[_name(task.id)] = Task(
            at_most_once=task.delivery == "at_most_once",
            retries=task.retries.limit,
            priority=task.priority,
            trigger=task.trigger,
            upstream=tuple(_name(upstream) for upstream in task.upstream),
            notify=tuple((happening, ADDRESS) for happening in HAPPENINGS) if task.notify else (),
            not_before=int(at.timestamp() * 1000) if at else 0,
            submitted=time.time() * 1000,
        )
        self._recent = [*self._recent[-19:], task.id]

    async def _submit(self, names: list[str], door: Callable[[], Awaitable[Any]], later: float) -> None:
        """Until it is acknowledged, as whoever relies on it has to: the same submission twice is one execution."""
        while not self._given_up and await self._ask("submit", names, door(), later) != "ok":
            later = 1.0

    async def _ask(self, what: str, names: list[str], work: Awaitable[Any], later: float) -> str:
        await asyncio.sleep(later)
        try:
            said = await asyncio.wait_for(work, PATIENCE)
        except (KafkaError, TimeoutError):
            said = "unknown"
        outcome = said if isinstance(said, str) else "ok"
        self.asked += [Asked(what, outcome, name) for name in names]
        return outcome

    async def _by_http(self, events: list[SubmitEvent]) -> str:
        try:
            await asyncio.to_thread(self.system.client.send, events)
        except ApiUnavailableError:
            return "unknown"
        except ApiError as error:
            return "fail" if error.status < 500 else "unknown"
        return "ok"

    async def _cancel(self, client: KafkaClient, events: list[SubmitEvent]) -> None:
        which = execution_id(events[0].task.id, RUN)
        command = Cancel(which, 0, "changed their mind")
        await client.send([(home_of(which, self.system.settings.task_partitions), command)])

    async def _poison(self, stock: AIOKafkaProducer) -> None:
        topics = Topics.under(self.system.settings.namespace)
        topic = self.chance.choice((topics.submit, topics.tasks, topics.ready))
        try:
            sent = await asyncio.wait_for(stock.send_and_wait(topic, self.chance.randbytes(20), partition=0), PATIENCE)
        except (KafkaError, TimeoutError):
            self.asked.append(Asked("poison", "unknown"))
            return
        self.asked.append(Asked("poison", "ok", place=(topic, sent.partition, sent.offset)))


def _name(task: str) -> str:
    return to_text(execution_id(task, RUN))
