"""What `headrace queues` shows, with an API of made-up data."""

import os
import subprocess
import sys
from pathlib import Path

from showroom.api import TOKEN, free_port, serving
from showroom.world import World


def test_priorities_that_nobody_waits_in_make_room(tmp_path: Path) -> None:
    """The least critical first, and only as many as it takes; those in which somebody waits always stand."""
    token, port, world = tmp_path / "token", free_port(), World()
    token.write_text(TOKEN)
    token.chmod(0o600)
    world.add("orders.score", "waiting", priority=0)
    line = [sys.executable, "-m", "headrace", "queues"]
    env = {**os.environ, "HEADRACE_EDGE_URL": f"http://127.0.0.1:{port}", "HEADRACE_TOKEN_FILE": str(token)}

    def shown(columns: int) -> str:
        return subprocess.run(
            line, env={**env, "COLUMNS": str(columns)}, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    with serving(world, port):
        wide, narrow, least = (shown(columns).splitlines() for columns in (200, 64, 40))
    assert wide[0].split() == ["pool", "waiting", *(f"P{p}" for p in range(9, -1, -1)), "oldest", "running", "slots"]
    assert "P9 P8" in narrow[0]
    assert "P1" not in narrow[0]
    assert least[0].split() == ["pool", "waiting", "P0", "oldest", "running", "slots"]
    assert max(map(len, narrow)) <= 64
