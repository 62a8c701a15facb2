import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from streams.local import children
from streams.local.errors import StuckError

NOBODY = 65_534
"""An ordinary user, who may be nicer and never less nice."""

START = f"""
    import os, sys, tempfile
    from pathlib import Path
    from streams.local import children

    mine = os.nice(int(sys.argv[1]))
    if os.geteuid() == 0:
        os.setuid({NOBODY})
    with tempfile.TemporaryDirectory() as folder:
        process = children.start(["sleep", "600"], Path(folder, "log"), nice=int(sys.argv[2]))
        print(mine, os.getpriority(os.PRIO_PROCESS, process.pid))
        children.stop(process, 10)
"""


@pytest.mark.parametrize(("parent", "more"), [(0, 0), (0, 5), (10, 5), (10, 0)])
def test_a_child_is_nicer_than_its_parent_by_so_much(parent: int, more: int) -> None:
    """Beside a nice parent too: a lower value than the parent's is refused to an ordinary user."""
    command = [sys.executable, "-c", textwrap.dedent(START), str(parent), str(more)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    mine, child = map(int, said.split())
    assert child == min(mine + more, 19)


def test_a_nicer_child_is_nicer_to_other_sessions_too(tmp_path: Path) -> None:
    """Where Linux shares out the cores among sessions first, what a process in one is worth counts for nothing."""
    process = children.start(["sleep", "600"], tmp_path / "log", nice=5)
    share = Path(f"/proc/{process.pid}/autogroup")
    assert not share.exists() or share.read_text().endswith(" nice 5\n")
    children.kill(process)


def test_a_child_that_survives_its_end_is_not_waited_for_without_limit() -> None:
    """It stands for one that hangs in the kernel: the signal goes to a group that is not its own."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(StuckError, match=f"process {process.pid} was killed and is there all the same after 0.1 s"):
            children.stop(process, 0.1, 0.1)
        process.kill()


def test_a_child_that_is_killed_is_gone(tmp_path: Path) -> None:
    """At once, with all that it started."""
    process = children.start(["sh", "-c", "sleep 600 & sleep 600"], tmp_path / "log")
    children.kill(process)
    assert process.returncode == -signal.SIGKILL


def test_a_log_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Addresses, names and what programs say are in it."""
    process = children.start(["true"], tmp_path / "log")
    process.wait()
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_a_full_disk_keeps_nothing_from_being_started(tmp_path: Path) -> None:
    """What was full may be so no longer when it needs it; its log's first line is no reason to give up."""
    log = tmp_path / "log"
    log.symlink_to("/dev/full")
    assert children.start(["true"], log).wait() == 0


def test_a_log_goes_on_with_each_start_until_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process said before it died is still there after it was started again, and again."""
    log = tmp_path / "worker.log"
    for word in ("one", "two"):
        children.start(["echo", word], log).wait()
    said = log.read_text().splitlines()
    assert (said[1], said[3]) == ("one", "two")
    assert said[0].startswith("--- started at 2")
    monkeypatch.setattr(children, "LOG_BYTES", 10)
    children.start(["echo", "three"], log).wait()
    assert log.read_text().splitlines()[1:] == ["three"]
    assert log.with_name("worker.log.1").read_text().splitlines() == said
