"""What `headrace retry` and `cancel` say, with an API of made-up data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from showroom.api import TOKEN, free_port, serving
from showroom.world import World

from pipelines.requests import BULK_LIMIT
from pipelines.views import StateName


def headrace(world: World, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, with an API that serves this world."""
    token, port = folder / "token", free_port()
    token.write_text(TOKEN)
    token.chmod(0o600)
    env = {**os.environ, "HEADRACE_EDGE_URL": f"http://127.0.0.1:{port}", "HEADRACE_TOKEN_FILE": str(token)}
    line = [sys.executable, "-m", "headrace", *words]
    with serving(world, port):
        return subprocess.run(line, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("state", "warned"), [("lost", True), ("failed", False)])
def test_who_runs_again_what_may_have_run_is_told(tmp_path: Path, state: StateName, *, warned: bool) -> None:
    """A lost execution of a task that is never to start twice may start twice by a retry."""
    world = World()
    old = world.add("orders.pay", state)
    done = headrace(world, tmp_path, "retry", old)
    assert (done.returncode, done.stdout.strip()) == (0, world.rows[old].retried_as)
    assert ("may now run a second time" in done.stderr) is warned


def test_more_than_one_action_changes_is_refused_before_the_question(tmp_path: Path) -> None:
    """Nobody is asked to confirm what cannot be done."""
    world = World()
    for n in range(BULK_LIMIT + 1):
        world.add("orders.score", "waiting", run=f"{n}")
    done = headrace(world, tmp_path, "cancel", "--state", "waiting")
    assert (done.returncode, world.asked) == (2, [])
    assert "more than 10,000 match" in done.stderr
    assert "narrow the filter" in done.stderr
