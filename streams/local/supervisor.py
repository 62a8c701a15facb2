"""One supervisor for all roles: starts them, notices when they are ready, restarts those that die, stops them in order.

It is driven by `tick`, from one thread: the kernel ends a child when the *thread* that started it ends.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

from pipelines.environment import PREFIX, READY_FILE
from streams.local import children
from streams.local.errors import SetupError, StuckError, last_lines
from streams.local.idle import Idle
from streams.settings import Settings
from streams.state.exits import REFUSED

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds before a role that died is started again: doubles each time it does not become ready."""

TRIES = 3
"""A role that dies so often before it was ever ready is a fault of the set-up."""

TICK = 0.05

SENT = (signal.SIGKILL, signal.SIGTERM)
"""Who is ended by these has written nothing about it."""


@dataclass(frozen=True, slots=True)
class Role:
    """A program that has to run.

    `patience`: seconds in which it ends by itself when asked to; `nice`: how far others go before it on a full machine.
    `may_idle`: seconds for which it may do nothing before it is ready; then it hangs, and is killed. Only who waits for
    nobody can be told by this.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    is_ready: Callable[[], bool]
    env: dict[str, str] | None = None
    ready_file: Path | None = None
    patience: float = 10.0
    may_idle: float = inf
    nice: int = 0


def role(name: str, settings: Settings, patience: float = 10.0) -> Role:
    """A role of this program, `headrace NAME`, with these settings; it says by its ready file when it is ready."""
    ready = settings.home / "run" / f"{name}.ready"
    env = {**os.environ, **environment(settings), READY_FILE: str(ready)}
    command = (sys.executable, "-m", "headrace", name)
    return Role(name, command, settings.home / "logs" / f"{name}.log", ready.exists, env, ready, patience)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items()}


class Child:
    """A role's process over all its lives."""

    def __init__(self, role: Role, say: Callable[[str], None]) -> None:
        """`say` is told, in one line each, what a person should know."""
        self.role = role
        self.say = say
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.was_ready = False
        self.failures = 0
        self.deaths = 0
        self.next_start = 0.0
        self._idle: Idle | None = None

    def tick(self, now: float) -> None:
        """Start, look after, or start again. `now`: monotonic seconds."""
        if self.process is None:
            if now >= self.next_start:
                self._start(now)
        elif (status := self.process.poll()) is not None:
            self._died(status, now)
        elif not self.ready and self.role.is_ready():
            self._came_up()
        elif not self.ready and self._idle and self._idle.seconds(now) > self.role.may_idle:
            self.say(f"{self.role.name} has not come up and does nothing: it hangs, and is killed; see {self.role.log}")
            children.signal_group(self.process, signal.SIGKILL)  # the kernel may take its time: a later tick sees it
            self._idle = None

    def _came_up(self) -> None:
        if self.was_ready:
            self.say(f"{self.role.name} is ready again")
        self.ready = self.was_ready = True
        self.failures = 0

    def _start(self, now: float) -> None:
        if self.role.ready_file:
            self.role.ready_file.parent.mkdir(parents=True, exist_ok=True)
            self.role.ready_file.unlink(missing_ok=True)
        self.process = children.start(self.role.command, self.role.log, self.role.env, self.role.nice)
        self._idle = Idle(self.process.pid, now) if isfinite(self.role.may_idle) else None

    def _died(self, status: int, now: float) -> None:
        pause = min(FIRST_PAUSE * 2 ** min(self.failures, 10), LONGEST_PAUSE)  # more would not fit into a float
        self.kill()
        self.ready = False
        self.failures += 1
        self.deaths += 1
        self.next_start = now + pause
        if status == REFUSED:  # history is missing: a new start changes nothing, and a person decides
            self.was_ready, self.failures = False, TRIES
            return
        told = self.was_ready and -status not in SENT  # at the start, only if it never comes up
        log = f". The end of its log:{self.tail}" if told else ""
        again = f" (restart {self.deaths})" if self.deaths > 1 else ""
        self.say(f"{self.role.name} {ending(status)}; it starts again in {pause:.1f} s{again}{log}")

    @property
    def tail(self) -> str:
        """The last lines of the role's log."""
        return last_lines(self.role.log) or " nothing"

    @property
    def hopeless(self) -> bool:
        """Whether it never came up and will not."""
        return not self.was_ready and self.failures >= TRIES

    @property
    def state(self) -> str:
        """One word for people."""
        if self.ready:
            return "ready"
        return "starting" if self.process else "restarting" if self.failures else "stopped"

    def stop(self) -> None:
        """Ask it to end, and end it where it does not."""
        try:
            if self.process and not children.stop(self.process, self.role.patience):
                self.say(f"{self.role.name} did not end within {self.role.patience:g} s and was killed")
        except StuckError as stuck:
            self.say(f"{self.role.name}: {stuck}")
        self.process = None
        self.ready, self.failures = False, 0

    def kill(self) -> None:
        """End it and all it started, now."""
        process, self.process = self.process, None
        try:
            if process:
                children.kill(process)
        except StuckError as stuck:
            self.say(f"{self.role.name}: {stuck}")


class Supervisor:
    """The roles of one machine, in the order in which they start."""

    def __init__(self, say: Callable[[str], None], redraw: Callable[[], None] = lambda: None) -> None:
        """`say` gets lines for people; `redraw` is called at each tick."""
        self.say = say
        self.redraw = redraw
        self.children: list[Child] = []

    def child(self, name: str) -> Child | None:
        """The role of that name; none: it was not started."""
        return next((child for child in self.children if child.role.name == name), None)

    def tick(self) -> None:
        """Look after every role once. Raises SetupError where one cannot come up at all."""
        now = time.monotonic()
        for child in self.children:
            child.tick(now)
            if child.hopeless:
                raise SetupError(f"{child.role.name} does not start; the end of {child.role.log}:{child.tail}")
        self.redraw()

    def launch(self, roles: Sequence[Role]) -> list[Child]:
        """Start roles together. They become ready while somebody waits."""
        started = [Child(role, self.say) for role in roles]
        self.children += started
        self.tick()
        return started

    def wait(self, children: Sequence[Child], within: float = 120.0) -> None:
        """Return when these are ready. Raises SetupError."""
        deadline = time.monotonic() + within
        while late := [child for child in children if not child.ready]:
            self.pause(TICK)
            if time.monotonic() > deadline:
                role, tail = late[0].role, late[0].tail
                raise SetupError(f"{role.name} is not ready after {within:.0f} s; see {role.log}:{tail}")

    def pause(self, seconds: float) -> None:
        """Wait, looking after the roles meanwhile."""
        end = time.monotonic() + seconds
        while True:
            self.tick()
            if (left := end - time.monotonic()) <= 0:
                return
            time.sleep(min(TICK, left))

    def stop(self) -> None:
        """Stop all, the last started first; a second Ctrl-C kills what is left."""
        try:
            for child in reversed(self.children):
                child.stop()
                self.redraw()
        finally:
            for child in self.children:
                child.kill()


def ending(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"
