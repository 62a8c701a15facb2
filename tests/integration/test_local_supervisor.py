"""The supervisor with small programs in the places of the roles: what is tested is the supervisor itself."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipelines.environment import READY_FILE
from streams.local.errors import SetupError
from streams.local.supervisor import LONGEST_PAUSE, Child, Role, Supervisor, role
from streams.settings import Settings

GOOD = """
    import os, pathlib, signal, subprocess, sys, time
    here, name = pathlib.Path(sys.argv[1]), sys.argv[2]
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (here / f"{name}.pids").open("a").write(f"{os.getpid()} {helper.pid}\\n")

    def leave(*_):
        (here / "stopped").open("a").write(name + "\\n")
        helper.kill()
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    pathlib.Path(os.environ["HEADRACE_READY_FILE"]).touch()
    while True:
        time.sleep(1)
"""


def program(folder: Path, name: str, text: str = GOOD, patience: float = 10) -> Role:
    """A role that runs `text`, which gets the folder and its own name as arguments."""
    script = folder / f"{name}.py"
    script.write_text(textwrap.dedent(text))
    ready = folder / f"{name}.ready"
    env = {**os.environ, READY_FILE: str(ready)}
    command = (sys.executable, str(script), str(folder), name)
    return Role(name, command, folder / f"{name}.log", ready.exists, env, ready, patience)


def pids(folder: Path, name: str) -> list[list[int]]:
    """The processes of each of a role's lives: its own and its helper's."""
    return [[int(pid) for pid in line.split()] for line in (folder / f"{name}.pids").read_text().splitlines()]


def launch(supervisor: Supervisor, *roles: Role, within: float = 120) -> None:
    """Start roles and wait until all are ready."""
    supervisor.wait(supervisor.launch(roles), within)


def gone(pid: int) -> bool:
    """Whether a process has ended, or waits only to be buried."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(holds: Callable[[], bool], supervisor: Supervisor | None = None, within: float = 30) -> None:
    """Wait until something holds, looking after the roles meanwhile."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end
        if supervisor:
            supervisor.tick()
        time.sleep(0.02)


def test_roles_are_started_and_stopped_in_order(tmp_path: Path) -> None:
    """All are ready after the launch; the last one started is the first one stopped, and nothing is left."""
    supervisor = Supervisor(lambda _: None)
    try:
        launch(supervisor, program(tmp_path, "first"))
        launch(supervisor, program(tmp_path, "second"), program(tmp_path, "third"))
        assert [child.state for child in supervisor.children] == ["ready"] * 3
    finally:
        supervisor.stop()
    assert (tmp_path / "stopped").read_text().split() == ["third", "second", "first"]
    until(
        lambda: all(gone(pid) for name in ("first", "second", "third") for life in pids(tmp_path, name) for pid in life)
    )


def test_a_role_that_hangs_at_its_start_is_killed(tmp_path: Path) -> None:
    """Who neither comes up nor does anything is started again; who works at it is left alone, however long it takes."""
    hangs = """
        import os, pathlib, sys, time
        lives = pathlib.Path(sys.argv[1]) / f"{sys.argv[2]}.lives"
        lives.open("a").write("x")
        if sys.argv[2] == "idle" and lives.read_text() == "x":
            time.sleep(600)
        begun = time.process_time()
        while time.process_time() < begun + 2:
            pass
        pathlib.Path(os.environ["HEADRACE_READY_FILE"]).touch()
        time.sleep(600)
    """
    said: list[str] = []
    supervisor = Supervisor(said.append)
    try:
        launch(supervisor, *(replace(program(tmp_path, name, hangs), may_idle=1.5) for name in ("idle", "busy")))
    finally:
        supervisor.stop()
    assert {name: (tmp_path / f"{name}.lives").read_text() for name in ("idle", "busy")} == {"idle": "xx", "busy": "x"}
    assert said[0].startswith("idle has not come up and does nothing: it hangs, and is killed")


def test_what_a_hanging_role_started_is_killed_with_it(tmp_path: Path) -> None:
    """Its whole group ends at once, not when its end is noticed."""
    hangs = GOOD.replace('pathlib.Path(os.environ["HEADRACE_READY_FILE"]).touch()', "pass")
    said: list[str] = []
    child = Child(replace(program(tmp_path, "role", hangs), may_idle=1.0), said.append)
    try:
        child.tick(0.0)
        until((tmp_path / "role.pids").exists)
        until(lambda: len(pids(tmp_path, "role")) > 0)
        [life] = pids(tmp_path, "role")
        moment = 0.0
        while not said:
            child.tick(moment := moment + 1_000)
        until(lambda: all(gone(pid) for pid in life))
    finally:
        child.kill()
    assert "it hangs, and is killed" in said[0]


def test_a_role_that_is_killed_comes_back(tmp_path: Path) -> None:
    """It is started again, what it had started is gone, and a line says how it ended, and how often it has by now."""
    said: list[str] = []
    supervisor = Supervisor(said.append)
    try:
        launch(supervisor, program(tmp_path, "role"))
        [[pid, helper]] = pids(tmp_path, "role")
        os.kill(pid, signal.SIGKILL)
        until(lambda: supervisor.children[0].state == "restarting", supervisor)
        until(lambda: gone(helper))
        until(lambda: supervisor.children[0].ready, supervisor)
        os.kill(pids(tmp_path, "role")[1][0], signal.SIGKILL)
        until(lambda: supervisor.children[0].state == "restarting", supervisor)
    finally:
        supervisor.stop()
    assert len(pids(tmp_path, "role")) == 2
    killed = "role was killed by SIGKILL; it starts again in 0.5 s"
    assert said == [killed, "role is ready again", f"{killed} (restart 2)"]


def test_a_role_that_cannot_start_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    """After a few tries the person is told, with the last lines that the role wrote."""
    supervisor = Supervisor(lambda _: None)
    bad = program(tmp_path, "bad", "raise SystemExit('no such thing as a free lunch')")
    try:
        with pytest.raises(SetupError, match=r"bad does not start(.|\n)*free lunch"):
            launch(supervisor, program(tmp_path, "good"), bad)
    finally:
        supervisor.stop()
    until(lambda: all(gone(pid) for life in pids(tmp_path, "good") for pid in life))


def test_a_role_may_die_for_days(tmp_path: Path) -> None:
    """The pause before its next start stays the longest one, however often it died."""
    child = Child(program(tmp_path, "weak", "raise SystemExit(1)"), lambda _: None)
    child.was_ready, child.failures = True, 5_000
    child.tick(0.0)
    until(lambda: child.process is None or child.process.poll() is not None)
    child.tick(0.0)
    assert child.next_start == LONGEST_PAUSE


def test_a_role_whose_history_is_missing_is_not_started_again(tmp_path: Path) -> None:
    """Status 5: a person decides how to go on, and reads why; trying again would only hide it."""
    text = """
        import pathlib, sys
        (pathlib.Path(sys.argv[1]) / "starts").open("a").write("x")
        print("the changelog lost its head", flush=True)
        sys.exit(5)
    """
    supervisor = Supervisor(lambda _: None)
    with pytest.raises(SetupError, match="lost its head"):
        launch(supervisor, program(tmp_path, "scheduler", text))
    assert (tmp_path / "starts").read_text() == "x"


def test_a_role_that_never_gets_ready_is_an_error(tmp_path: Path) -> None:
    """Silence is not waited for without end."""
    supervisor = Supervisor(lambda _: None)
    try:
        with pytest.raises(SetupError, match="mute is not ready after"):
            launch(supervisor, program(tmp_path, "mute", "import time; time.sleep(600)"), within=1)
    finally:
        supervisor.stop()


def test_a_role_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    """Stopping takes a bounded time, and says whom it had to kill."""
    stubborn = GOOD.replace("signal.signal(signal.SIGTERM, leave)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    said: list[str] = []
    supervisor = Supervisor(said.append)
    launch(supervisor, program(tmp_path, "deaf", stubborn, patience=0.3))
    supervisor.stop()
    until(lambda: all(gone(pid) for life in pids(tmp_path, "deaf") for pid in life))
    assert said == ["deaf did not end within 0.3 s and was killed"]


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """Even kill -9 of the supervisor ends the roles: the kernel does it."""
    program(tmp_path, "role")
    script = f"""
        import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from pathlib import Path
        from streams.local.supervisor import Role, Supervisor
        folder = Path(sys.argv[1])
        ready = folder / "role.ready"
        command = (sys.executable, str(folder / "role.py"), str(folder), "role")
        import os
        env = {{**os.environ, "HEADRACE_READY_FILE": str(ready)}}
        supervisor = Supervisor(print)
        supervisor.wait(supervisor.launch([Role("role", command, folder / "role.log", ready.exists, env, ready)]))
        print("up", flush=True)
        supervisor.pause(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        [[pid, helper]] = pids(tmp_path, "role")
        process.kill()
    until(lambda: gone(pid))
    psutil.Process(helper).kill()  # a role's own children are the role's to bind: this stand-in does not


def test_a_role_gets_the_settings(tmp_path: Path) -> None:
    """A role of ours is this program, told by its environment where things are."""
    made = role("edge", Settings(home=tmp_path, edge_port=1234))
    assert made.command == (sys.executable, "-m", "headrace", "edge")
    assert made.env
    assert made.env["HEADRACE_EDGE_PORT"] == "1234"
    assert made.env["HEADRACE_HOME"] == str(tmp_path)
    assert made.env[READY_FILE] == str(made.ready_file)
    again = Settings.model_validate({k.removeprefix("HEADRACE_").lower(): v for k, v in made.env.items()})
    assert again.edge_port == 1234
