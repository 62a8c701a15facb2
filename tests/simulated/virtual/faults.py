"""What goes wrong: a seeded plan of faults, each over by the time of healing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.simulated.virtual.broker import Broker
from tests.simulated.virtual.clock import Process, VirtualLoop
from tests.simulated.virtual.group import Group
from tests.simulated.virtual.sinks import House, Targets

LASTING = 0.2, 1.6
"""Seconds that a fault lasts."""

LIKELY = 0.1
"""How likely a fault that waits for an append takes this one."""

FEW_STEPS = 4
MANY_STEPS = 300
"""A process that is told to die does so within so many steps: between any two awaits."""


class Victim(Protocol):
    """The cluster as its faults see it."""

    loop: VirtualLoop
    broker: Broker
    group: Group
    house: House
    targets: Targets
    living: dict[str, Process]
    busy: dict[str, str]

    def drain(self) -> None:
        """Let a worker leave in order."""


@dataclass
class Faults:
    """Draws faults and carries them out, one after the other, several at once."""

    victim: Victim
    chance: Random

    async def rage(self, seconds: float) -> None:
        """For some seconds, and then undo what was done."""
        until = self.victim.loop.now + seconds
        async with asyncio.TaskGroup() as group:
            while (pause := self.chance.uniform(0, seconds / 4)) < until - self.victim.loop.now:
                await asyncio.sleep(pause)
                fault = self.chance.choice(FAULTS)
                group.create_task(fault(self, self.chance.uniform(*LASTING)))

    def _anyone(self, *roles: str) -> Process:
        names = [name for name in self.victim.living if not roles or name.split("-")[0] in roles]
        return self.victim.living[self.chance.choice(sorted(names))]

    async def crash(self, _seconds: float) -> None:
        """Kill -9, some steps from now."""
        self._anyone().steps_left = self.chance.randrange(1, MANY_STEPS)

    async def crash_scheduler(self, _seconds: float) -> None:
        """The same, of the role that holds the state."""
        self._anyone("scheduler").steps_left = self.chance.randrange(1, MANY_STEPS)

    async def crash_at_append(self, seconds: float) -> None:
        """Kill -9 where it hurts: something was just appended, and what was to follow was not."""

        def kill(process: Process, changelog: bool) -> None:  # noqa: FBT001  (the hook's shape)
            if self.chance.random() < (2 * LIKELY if changelog else LIKELY / 2):
                process.steps_left = self.chance.randrange(1, FEW_STEPS)

        await self._hooked(kill, seconds)

    async def pause_before_commit(self, seconds: float) -> None:
        """SIGSTOP between a batch's outputs and its changelog: it wakes with what is not its own any more."""
        stopped: list[asyncio.Task[None]] = []

        def stop(process: Process, changelog: bool) -> None:  # noqa: FBT001  (the hook's shape)
            if not stopped and not changelog and process.name.startswith("scheduler") and self.chance.random() < LIKELY:
                stopped.append(asyncio.get_running_loop().create_task(self._pause(process, 0.6 + seconds / 4)))

        await self._hooked(stop, seconds)
        if stopped:
            await stopped[0]

    async def _hooked(self, hook: Callable[[Process, bool], None], seconds: float) -> None:
        hooks = self.victim.broker.trouble.hooks
        hooks.append(hook)
        await asyncio.sleep(seconds)
        hooks.remove(hook)

    async def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT: long enough to lose a session or a lease, and to wake as a zombie."""
        await self._pause(self._anyone("scheduler", "worker"), seconds)

    async def pause_at_work(self, seconds: float) -> None:
        """The same, of a worker in the middle of a task: another one has it by the time that it wakes."""
        busy = sorted(set(self.victim.busy.values())) or ["worker-0"]
        await self._pause(self.victim.living[self.chance.choice(busy)], 0.8 + seconds / 5)

    async def _pause(self, process: Process, seconds: float) -> None:
        if not process.paused:
            process.pause()
            await asyncio.sleep(2 * seconds)
            process.resume(self.victim.loop)

    async def slow(self, seconds: float) -> None:
        """Some messages take a hundred times as long."""
        self.victim.broker.trouble.slow = 0.1
        await asyncio.sleep(seconds)
        self.victim.broker.trouble.slow = 0.0

    async def lose_acknowledgements(self, seconds: float) -> None:
        """Producers repeat what was appended."""
        self.victim.broker.trouble.unacknowledged = 0.2
        await asyncio.sleep(seconds)
        self.victim.broker.trouble.unacknowledged = 0.0

    async def broker_down(self, seconds: float) -> None:
        """Nothing arrives anywhere."""
        self.victim.broker.trouble.down_until = self.victim.loop.now + seconds
        await asyncio.sleep(seconds)

    async def rebalance(self, _seconds: float) -> None:
        """Partitions change hands for no reason at all."""
        self.victim.group.unsettle()

    async def history_away(self, seconds: float) -> None:
        """ClickHouse is away, and then its recorder dies between two inserts."""
        self.victim.house.away_until = self.victim.loop.now + seconds / 2
        self.victim.house.fragile = 0.3
        await asyncio.sleep(seconds)
        self.victim.house.fragile = 0.0

    async def targets_refuse(self, seconds: float) -> None:
        """Who is to be told does not answer, and then the notifier dies."""
        self.victim.targets.refusing = 0.7
        await asyncio.sleep(seconds)
        self._anyone("notifier").kill()
        self.victim.targets.refusing = 0.0

    async def drain(self, _seconds: float) -> None:
        """A worker leaves in order; another one comes."""
        self.victim.drain()


FAULTS = (
    Faults.crash,
    Faults.crash,
    Faults.crash_scheduler,
    Faults.crash_at_append,
    Faults.crash_at_append,
    Faults.pause_before_commit,
    Faults.pause,
    Faults.pause_at_work,
    Faults.pause_at_work,
    Faults.slow,
    Faults.lose_acknowledgements,
    Faults.broker_down,
    Faults.rebalance,
    Faults.history_away,
    Faults.targets_refuse,
    Faults.drain,
)
