"""What is said of running tasks when everything is stopped, with an API of made-up data and a real process."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from showroom.api import TOKEN, free_port, serving
from showroom.world import World

from pipelines.views import WorkerView
from streams.local.farewell import drain
from streams.local.supervisor import Child, Role
from streams.settings import Settings
from ui.parts.formats import short_id

PROGRAM = "import time; time.sleep(600)"


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Child]:
    """A process in the place of the worker."""
    log = tmp_path / "worker.log"
    child = Child(Role("worker", (sys.executable, "-c", PROGRAM), log, lambda: True), print)
    child.tick(0)
    yield child
    child.kill()


@pytest.fixture
def world(worker: Child) -> World:
    """Executions, and our worker."""
    assert worker.process
    world = World()
    own = {"worker": "own", "host": socket.gethostname(), "pid": worker.process.pid, "running": 1}
    rest = {"pool": "default", "version": "0.1.0", "slots": 4, "held": 1, "silent_ms": 0}
    world.workers.append(WorkerView.model_validate(own | rest))
    return world


def said(
    tmp_path: Path, worker: Child, world: World, meanwhile: Callable[[ExitStack], None], lines: list[str] | None = None
) -> list[str]:
    """The lines of a farewell; `meanwhile` runs when the worker is about to be stopped, and may end the API."""
    token, port, lines = tmp_path / "token", free_port(), [] if lines is None else lines
    token.write_text(TOKEN)
    token.chmod(0o600)
    settings = Settings(home=tmp_path, token_file=token, edge_url=f"http://127.0.0.1:{port}", drain_timeout=3)
    with ExitStack() as api:
        api.enter_context(serving(world, port))

        def say(line: str) -> None:
            lines.append(line)
            if line.startswith("Stopping"):
                meanwhile(api)

        drain(settings, worker, say)
    return lines


def is_asked_to_end(pid: int) -> bool:
    """Whether the kernel keeps a SIGTERM for a process that is halted."""
    _, _, kept = Path(f"/proc/{pid}/status").read_text().partition("ShdPnd:")
    return bool(int(kept.split()[0], 16) & 1 << signal.SIGTERM - 1)


def test_each_of_ours_is_told(tmp_path: Path, worker: Child, world: World) -> None:
    """What ended, and of what nothing was heard; what runs on other workers is left alone."""
    ends = world.add("a", "running", worker="own")
    stays = world.add("b", "running", worker="own")
    world.add("c", "running", worker="another")
    world.add("d", "dispatched", worker="own")
    lines = said(tmp_path, worker, world, lambda _: world.change(ends, state="succeeded"))
    a, b = f"a ({short_id(ends)})", f"b ({short_id(stays)})"
    assert lines == [
        f"Stopping: up to 3 s are left to the 2 tasks {a}, {b} ...",
        f"Stopped the worker: the task {a} ended; nothing was heard of the task {b}.",
    ]
    assert worker.process is None


def test_a_second_ctrl_c_says_what_it_cut_short(tmp_path: Path, worker: Child, world: World) -> None:
    """What had ended by then is left out; what becomes of the others is said."""
    ends = world.add("a", "running", worker="own")
    stays = world.add("b", "running", worker="own")
    lines, before = list[str](), signal.getsignal(signal.SIGINT)
    assert worker.process
    worker.process.send_signal(signal.SIGSTOP)  # it does not hear that it is asked to end
    pid = worker.process.pid

    def meanwhile(_: ExitStack) -> None:
        world.change(ends, state="succeeded")
        threading.Thread(target=again, daemon=True).start()

    def again() -> None:
        while not is_asked_to_end(pid):
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            said(tmp_path, worker, world, meanwhile, lines)
    finally:
        signal.signal(signal.SIGINT, before)
    fate = "after the next start what is at_most_once ends as lost, all else runs again"
    assert lines[1:] == [f"Cut short: the task b ({short_id(stays)}); {fate}."]


def test_an_api_that_dies_meanwhile_is_no_silence(tmp_path: Path, worker: Child, world: World) -> None:
    """The worker is stopped all the same, and the line says that the rest could not be learned."""
    which = world.add("a", "running", worker="own")
    lines = said(tmp_path, worker, world, ExitStack.close)
    told = f"what came of the task a ({short_id(which)}) could not be learned"
    assert lines[1:] == [f"Stopped the worker: {told}: after the next start `headrace list` says it."]
    assert worker.process is None


def test_more_than_a_page_are_counted(tmp_path: Path, worker: Child, world: World) -> None:
    """A hundred are looked at; the words say that there are more."""
    for n in range(103):
        world.add(f"t{n:03}", "running", worker="own")
    ended = [name for name, row in world.rows.items() if row.task >= "t003"]
    lines = said(tmp_path, worker, world, lambda _: [world.change(name, state="lost") for name in ended] and None)
    assert lines[0].startswith("Stopping: up to 3 s are left to at least the 100 tasks t003 (")
    assert lines[1].endswith("ended as lost (at_most_once); 3 more were not looked at.")


def test_where_nothing_of_ours_runs_nothing_is_waited_for(tmp_path: Path, worker: Child, world: World) -> None:
    """One line; the worker is stopped with all others."""
    world.workers[0] = world.workers[0].model_copy(update={"running": 0})
    world.add("c", "running", worker="another")
    assert said(tmp_path, worker, world, lambda _: None) == ["Stopping ..."]
    assert worker.process is not None
