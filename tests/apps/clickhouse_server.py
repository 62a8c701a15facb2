"""The server of clickhouse_http.py, as whoever kills it and starts it again needs it."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil

from streams.local.ports import free_ports
from tests.apps.clickhouse_http import PASSWORD, USER

SERVER = Path(__file__).with_name("clickhouse_http.py")


class Server:
    """ClickHouse behind HTTP, as a process of its own that can be killed and started again on the same folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/default"

    def start(self) -> None:
        """Return when it answers."""
        command = [sys.executable, SERVER, self._folder, str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        while not self._answers():
            assert self._process.poll() is None, "the server did not start"
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def cpu(self) -> float:
        """CPU seconds that it has used since it was started; 0 while it is away."""
        if self._process is None:
            return 0.0
        used = psutil.Process(self._process.pid).cpu_times()
        return float(used.user + used.system)

    def kill(self) -> None:
        """End it at once, as a failing machine does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.port}/ping").text == "Ok.\n"
        return False
