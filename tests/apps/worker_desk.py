"""Plays the dispatcher and the scheduler for one real worker, over a real broker."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from pipelines.ids import execution_id, home_of
from streams.engine import commands as c
from streams.engine.events import LogLine
from streams.engine.records import Job
from streams.envelope import pack
from streams.settings import Settings
from streams.topics import Topics, layout

START = "import uvloop; from streams.settings import Settings; from streams.worker.worker import run_worker; "
PROGRAM = [sys.executable, "-c", START + "uvloop.run(run_worker(Settings()))"]


class Desk:
    """Use as `async with Desk(bootstrap, folder, **settings) as desk`."""

    def __init__(self, bootstrap: str, folder: Path, **settings: Any) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "tasks.py").touch()
        base = {"task_partitions": 2, "lanes": 2, "slots": 2, "namespace": f"worker-{uuid4().hex[:12]}"}
        values = {"kafka": bootstrap, "home": folder, "pipelines_dir": folder, **base, **settings}
        self.settings = Settings(**values)
        self.env = {f"HEADRACE_{name.upper()}": str(value) for name, value in values.items()}
        self.topics = Topics.under(self.settings.namespace)
        self.lease = round(self.settings.lease * 1000)
        self.granting = True
        self.workers: list[str] = []
        self.beats: list[c.Beat] = []
        self.limit = 0
        self.goodbyes: list[str] = []
        self.seq = 0
        self.finished: list[c.Finished] = []
        self.started: list[c.Started] = []
        self.lines: dict[bytes, list[LogLine]] = defaultdict(list)
        self.processes: list[subprocess.Popen[bytes]] = []
        self._changed = asyncio.Condition()
        self._readers: list[asyncio.Task[None]] = []

    # --- the set-up

    async def __aenter__(self) -> Self:
        self.admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka)
        await self.admin.start()
        topics = layout(self.settings)
        await self.admin.create_topics([NewTopic(name, count, 1) for name, (count, _) in topics.items()])
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka, acks="all", max_request_size=1 << 24, max_batch_size=1 << 20
        )
        await self.producer.start()
        await self._read(self.topics.ready, list[c.ReadyCommand], self._hear)
        await self._read(self.topics.tasks, list[c.TaskCommand], self._take)
        await self._read(self.topics.logs, list[LogLine], self._log)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            await asyncio.to_thread(process.wait)
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self.producer.stop()
        await self.admin.delete_topics(list(layout(self.settings)))
        await self.admin.close()

    async def _read(self, topic: str, shape: Any, handle: Callable[[Any], Any]) -> None:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.settings.kafka, auto_offset_reset="earliest")
        await consumer.start()
        decoder = msgspec.msgpack.Decoder(shape)

        async def read() -> None:
            try:
                async for record in consumer:
                    for message in decoder.decode(record.value):
                        handled = handle(message)
                        if handled is not None:
                            await handled
                    async with self._changed:
                        self._changed.notify_all()
            finally:
                await consumer.stop()

        self._readers.append(asyncio.create_task(read()))

    def _hear(self, message: Any) -> Any:
        if isinstance(message, c.Beat):
            self.beats.append(message)
            if message.limit < 0 and self.granting:
                return self._grant(message.worker)
            self.limit = max(message.limit, 0)
            if message.draining:
                return self.notice(c.Grant(message.worker, self.lane, self.lease, self.seq))
        elif isinstance(message, c.Credit):
            self.limit = message.limit
        elif isinstance(message, c.Goodbye):
            self.goodbyes.append(message.worker)
        return None

    def _grant(self, worker: str) -> Any:
        if worker not in self.workers:
            self.workers.append(worker)
            self.seq = 0
        return self.notice(c.Grant(worker, self.lane, self.lease))

    def _take(self, message: Any) -> None:
        (self.finished if isinstance(message, c.Finished) else self.started).append(message)

    def _log(self, line: LogLine) -> None:
        self.lines[line.execution].append(line)

    # --- what a dispatcher and a scheduler do

    @property
    def lane(self) -> int:
        """The lane of the newest incarnation."""
        return (len(self.workers) - 1) % self.settings.lanes

    @property
    def worker(self) -> str:
        """The newest incarnation."""
        return self.workers[-1]

    async def notice(self, *messages: c.WorkerMessage) -> None:
        """Tell all workers."""
        await self.producer.send_and_wait(self.topics.workers, msgspec.msgpack.encode(messages), partition=0)

    async def send(self, *messages: c.LaneMessage) -> None:
        """Write to the newest incarnation's lane."""
        for data in pack(messages):
            await self.producer.send_and_wait(self.topics.dispatch, data, partition=self.lane)

    def job(self, kind: str, call: dict[str, Any], **fields: Any) -> Job:
        """A job for the newest incarnation; `payload` and `inputs` are values."""
        self.seq += 1
        name = fields.pop("task", f"p.{kind}")
        payload, inputs = fields.pop("payload", None), fields.pop("inputs", {})
        values = {
            "execution": execution_id(name, uuid4().hex),
            "attempt": 1,
            "seq": self.seq,
            "worker": self.worker,
            "task": name,
            "run": "r",
            "kind": kind,
            "priority": 5,
            "deadline": 0,
            "timeout": 0,
            "call": json.dumps(call).encode(),
            "payload": b"" if payload is None else json.dumps(payload).encode(),
            "inputs": {task: json.dumps(value).encode() for task, value in inputs.items()},
        }
        return Job(**values | fields)

    def function(self, name: str, payload: Any = None, **fields: Any) -> Job:
        """Make a job that calls a registered function."""
        return self.job("function", {"function": name}, payload=payload, task=name, **fields)

    async def run(self, *jobs: Job) -> None:
        """Assign jobs, in one envelope."""
        await self.send(*map(c.Run, jobs))

    async def halt(self, job: Job) -> None:
        """Stop a job."""
        await self.send(c.Stop(job.worker, job.execution, job.attempt))

    async def result(self, job: Job, seconds: float = 30) -> c.Finished:
        """Run one job and wait for its end."""
        await self.run(job)
        return await self.end_of(job, seconds)

    async def end_of(self, job: Job, seconds: float = 30) -> c.Finished:
        """Wait for a job's end."""
        found = await self.until(
            lambda: [f for f in self.finished if (f.id, f.attempt) == (job.execution, job.attempt)], seconds
        )
        assert found[0].worker == job.worker
        assert home_of(job.execution, 2) == home_of(found[0].id, 2)
        return found[0]

    async def until(self, condition: Callable[[], Any], seconds: float = 30) -> Any:
        """Wait until something is true, looking whenever news came."""
        async with asyncio.timeout(seconds):
            while not (found := condition()):
                async with self._changed:
                    try:
                        await asyncio.wait_for(self._changed.wait(), 0.05)
                    except TimeoutError:
                        continue
        return found

    def text(self, job: Job, stream: str = "") -> list[str]:
        """The lines of a job's output so far, in order."""
        lines = sorted(self.lines[job.execution], key=lambda line: line.seq)
        return [line.text for line in lines if stream in ("", line.stream)]

    # --- the worker's process

    def write(self, source: str) -> None:
        """Say what the pipeline file holds; before the worker starts."""
        (self.folder / "tasks.py").write_text("from pipelines.dsl import Skip, task\n" + source)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        self.ready = self.folder / f"ready-{len(self.processes)}"
        env = {**os.environ, **self.env, "HEADRACE_READY_FILE": str(self.ready)}
        self.processes.append(subprocess.Popen(PROGRAM, env=env, cwd=self.folder))
        return self.processes[-1]

    async def start(self) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it accepts work."""
        before = len(self.workers)
        process = self.launch()
        await self.until(lambda: len(self.workers) > before and self.ready.exists() and self.limit > 0)
        return process

    def below(self, process: subprocess.Popen[bytes], name: str = "") -> list[psutil.Process]:
        """The living processes that a worker has started, directly or not, of that name."""
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
            return [p for p in family if name in ("", p.name())]
        return []

    async def stop(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        """Ask the worker to drain; its exit status."""
        process.send_signal(number)
        return await self.ended(process)

    async def ended(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the worker's exit status."""
        await self.until(lambda: process.poll() is not None)
        return process.returncode
