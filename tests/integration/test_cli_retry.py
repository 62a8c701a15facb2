"""What `headrace retry` says, with an API of made-up data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from showroom.api import TOKEN, free_port, serving
from showroom.world import World

from pipelines.views import StateName


@pytest.mark.parametrize(("state", "warned"), [("lost", True), ("failed", False)])
def test_who_runs_again_what_may_have_run_is_told(tmp_path: Path, state: StateName, *, warned: bool) -> None:
    """A lost execution of a task that is never to start twice may start twice by a retry."""
    token, port, world = tmp_path / "token", free_port(), World()
    token.write_text(TOKEN)
    token.chmod(0o600)
    old = world.add("orders.pay", state)
    env = {**os.environ, "HEADRACE_EDGE_URL": f"http://127.0.0.1:{port}", "HEADRACE_TOKEN_FILE": str(token)}
    line = [sys.executable, "-m", "headrace", "retry", old]
    with serving(world, port):
        done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == world.rows[old].retried_as
    assert ("may now run a second time" in done.stderr) is warned
