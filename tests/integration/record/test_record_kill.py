"""kill -9 of a recorder, again and again, in the middle of what it does (promise I7)."""

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

KILLS = 8

RECORD = """
import asyncio
from sinks.record.recorder import Recorder
from streams.settings import Settings

async def main():
    recorder = Recorder(Settings())
    await recorder.start()
    while not recorder.flushed_at:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await recorder.failed()

asyncio.run(main())
"""

FINISH = """
import asyncio, json, sys
from sinks.record.client import Names, open_client
from sinks.record.recorder import Recorder
from sinks.record.rollup import RollUp
from streams.settings import Settings

settings = Settings()
names = Names.under(settings.namespace)

def ask(client, sql):
    return [list(row) for row in client.query(names.fill(sql)).result_rows]

async def main(end):
    recorder = Recorder(settings)
    await recorder.start()
    client = open_client(settings)
    while ask(client, "SELECT sum(next_offset) FROM {raw}.progress FINAL")[0][0] < end:
        await asyncio.sleep(0.1)
    await recorder.stop()
    RollUp(client, names).count()
    print(json.dumps([ask(client, sql) for sql in sys.argv[2:]]))

asyncio.run(main(int(sys.argv[1])))
"""

QUESTIONS = (
    "SELECT state, count(), uniqExact(execution) FROM {main}.executions GROUP BY state ORDER BY state",
    "SELECT count(), uniqExact(execution, version) FROM {main}.events",
    "SELECT count(), uniqExact(execution, attempt) FROM {main}.attempts",
    "SELECT sum(created), sum(succeeded), sum(failed) FROM {main}.minutes",
    "SELECT countIf(ran_ms = 100 AND waited_ms = 20) FROM {main}.executions",
)


class Crowd:
    """Executions without end, told in envelopes, of which a scheduler that takes over repeats some."""

    def __init__(self, bus: Any, play: Any) -> None:
        self._bus = bus
        self._play = play
        self._chance = random.Random(7)
        self.messages = 0
        self.ended = {"failed": 0, "succeeded": 0}
        self.going = True

    async def send(self) -> None:
        """Send until told to end."""
        while self.going:
            await self._round()
            await asyncio.sleep(0.1)

    async def _round(self) -> None:
        number = sum(self.ended.values())
        ends = self._chance.choice(["succeeded", "failed"])
        moves = [m for n in range(40) for m in self._play.whole(f"p.t{number + n}", ends=ends)]
        moves.sort(key=lambda m: (m.execution.version, self._chance.random()))
        for start in range(0, len(moves), 30):
            for _ in range(self._chance.choice([1, 1, 1, 2])):
                await self._bus.events(*moves[start : start + 30])
                self.messages += 1
        self.ended[ends] += 40


@pytest.mark.parametrize("house", ["embedded"], indirect=True)
@pytest.mark.timeout(300)
async def test_i7_kill_9_leaves_one_terminal_row_each(bus: Any, play: Any, tmp_path: Path) -> None:
    """A recorder that is killed at any moment, while schedulers repeat themselves, loses and doubles nothing."""
    mine = {"HOME": str(tmp_path), "NAMESPACE": bus.settings.namespace, "KAFKA": bus.settings.kafka}
    env = {**os.environ, **{f"HEADRACE_{name}": value for name, value in mine.items()}}
    crowd, chance = Crowd(bus, play), random.Random(11)
    sending = asyncio.create_task(crowd.send())
    for _ in range(KILLS):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RECORD, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
        await asyncio.sleep(chance.uniform(0, 0.8))
        child.send_signal(signal.SIGKILL)
        await child.wait()
    crowd.going = False
    await sending
    last = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FINISH, str(crowd.messages), *QUESTIONS, env=env, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await last.communicate()
    states, events, attempts, minutes, exact = json.loads(out.splitlines()[-1])
    whole = sum(crowd.ended.values())
    assert states == [[state, count, count] for state, count in crowd.ended.items()]
    assert events == [[3 * whole, 3 * whole]]
    assert attempts == [[whole, whole]]
    assert minutes == [[whole, crowd.ended["succeeded"], crowd.ended["failed"]]]
    assert exact == [[whole]]
