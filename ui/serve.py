"""How the dashboard is started: one command line and the environment it needs."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pipelines.environment import PREFIX

EDGE_URL, TOKEN_FILE = f"{PREFIX}EDGE_URL", f"{PREFIX}TOKEN_FILE"
"""Two settings, as the dashboard has them: from the environment alone."""


def command(host: str = "127.0.0.1", port: int = 8091) -> list[str]:
    """The command that serves the dashboard on `host`:`port`; its look and manners are in .streamlit/config.toml."""
    script = Path(__file__).with_name("dashboard.py")
    options = {"server.address": host, "server.port": str(port), "server.headless": "true"}
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(script), *flags]


def environment(edge_url: str, token_file: Path, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`base` and where the API and its token are. The token itself stays in its file."""
    return {**base, EDGE_URL: edge_url, TOKEN_FILE: str(token_file)}
