"""Clients: what they submit, by which door, and what they are told. Everything is drawn from the seed."""

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from random import Random

from aiokafka import TopicPartition

from pipelines.ids import execution_id, home_of, to_text
from streams.client import KafkaClient
from streams.engine.commands import Cancel
from streams.engine.records import RetryPolicy, Rule, TaskDef
from streams.settings import Settings
from streams.topics import Topics
from tests.history.facts import Asked, Task
from tests.simulated.virtual.kafka import Producer

PATIENCE = 1.0
"""Seconds after which a client that heard nothing knows nothing."""

TRIGGERS = ("all_success", "all_success", "all_success", "all_done", "one_success", "none_failed")
PRIORITIES = (1, 5, 9)
ENDS = (("succeeded",), ("succeeded",), ("succeeded",), ("failed", "succeeded"), ("failed",))
SECONDS = (0.01, 0.05, 0.5, 1.2)
ADDRESS = "sim://people"
RUN = "r"


@dataclass
class People:
    """What clients asked for, and what they know of it."""

    settings: Settings
    chance: Random
    size: int
    asked: list[Asked] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)

    async def live(self, producer: Producer, seconds: float) -> None:
        """Submit everything within some seconds, one after the other, nobody waiting for an answer."""
        await producer.start()
        async with KafkaClient(self.settings) as client, asyncio.TaskGroup() as group:
            made: list[TaskDef] = []
            for number in range(self.size):
                if self.chance.random() < 0.3:  # in bursts, so that a line forms
                    await asyncio.sleep(self.chance.uniform(0, 2 * seconds / self.size / 0.3))
                task = self._task(number, made)
                made.append(task)
                self._note(task)
                group.create_task(self._submit(client, producer, task))
                if self.chance.random() < 0.25:
                    group.create_task(self._again(client, producer, self.chance.choice(made)))
                if self.chance.random() < 0.1:
                    group.create_task(self._cancel(client, self.chance.choice(made)))
                if self.chance.random() < 0.1:
                    group.create_task(self._poison(producer))

    def _task(self, number: int, made: list[TaskDef]) -> TaskDef:
        chance = self.chance
        upstream = chance.sample(made, min(len(made), chance.choice((0, 0, 1, 1, 2))))
        script = {"seconds": chance.choice(SECONDS), "ends": chance.choice(ENDS)}
        return TaskDef(
            f"t{number}",
            "python",
            b'{"code":"script"}',
            json.dumps(script).encode(),
            priority=chance.choice(PRIORITIES),
            upstream=tuple((task.id, "") for task in upstream),
            trigger=chance.choice(TRIGGERS),
            retry=RetryPolicy(chance.choice((0, 2)), 50),
            at_most_once=chance.random() < 0.5,
            notify=(Rule(("completed", "failed", "lost"), (ADDRESS,)),) if chance.random() < 0.5 else (),
        )

    def _note(self, task: TaskDef) -> None:
        self.tasks[_name(task.id)] = Task(
            at_most_once=task.at_most_once,
            retries=0 if task.at_most_once else task.retry.limit,
            priority=task.priority,
            trigger=task.trigger,
            upstream=tuple(_name(upstream) for upstream, _ in task.upstream),
            notify=tuple(itertools.product(("completed", "failed", "lost"), (ADDRESS,))) if task.notify else (),
        )

    async def _submit(self, client: KafkaClient, producer: Producer, task: TaskDef) -> None:
        work = self._as_json(producer, task) if self.chance.random() < 0.5 else client.submit_many([task], RUN)
        told = await self._patiently(asyncio.create_task(work))
        self.asked.append(Asked("submit", told, _name(task.id)))

    async def _again(self, client: KafkaClient, producer: Producer, task: TaskDef) -> None:
        await asyncio.sleep(self.chance.uniform(0, 1.5))
        await self._submit(client, producer, task)

    async def _cancel(self, client: KafkaClient, task: TaskDef) -> None:
        await asyncio.sleep(self.chance.uniform(0, 0.5))
        which = execution_id(task.id, RUN)
        command = Cancel(which, 0, "changed their mind")
        told = await self._patiently(
            asyncio.create_task(client.send([(home_of(which, self.settings.task_partitions), command)]))
        )
        self.asked.append(Asked("cancel", told, _name(task.id)))

    async def _poison(self, producer: Producer) -> None:
        topics = Topics.under(self.settings.namespace)
        tp = TopicPartition(self.chance.choice((topics.submit, topics.tasks, topics.ready)), 0)
        sent = await producer.send_and_wait(tp.topic, self.chance.randbytes(20), partition=0)
        self.asked.append(Asked("poison", "ok", place=(*tp, sent.offset)))

    async def _as_json(self, producer: Producer, task: TaskDef) -> None:
        """By the public door, as a stock Kafka client would."""
        rules = [{"on": rule.on, "to": rule.to} for rule in task.notify]
        event = {
            "type": "submit",
            "run": RUN,
            "task": {
                "id": task.id,
                "kind": "python",
                "code": "script",
                "payload": json.loads(task.payload),
                "priority": task.priority,
                "upstream": [upstream for upstream, _ in task.upstream],
                "trigger": task.trigger,
                "retries": {"limit": task.retry.limit, "delay": task.retry.delay / 1000},
                "delivery": "at_most_once" if task.at_most_once else "at_least_once",
                "notify": rules,
            },
        }
        await producer.send_and_wait(Topics.under(self.settings.namespace).submit, json.dumps(event).encode())

    async def _patiently(self, work: "asyncio.Task[object]") -> str:
        done, _ = await asyncio.wait([work], timeout=PATIENCE)
        return "ok" if done else "unknown"


def _name(task: str) -> str:
    return to_text(execution_id(task, RUN))
