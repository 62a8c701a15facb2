import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pipelines.requests import ExecutionFilter
from pipelines.views import TERMINAL_STATES, ExecutionView
from streams.local.ports import free_ports, is_free
from ui.client import Client

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(400)

received: list[dict[str, object]] = []


class Hook(BaseHTTPRequestHandler):
    """Keeps what notifications it is sent."""

    def do_POST(self) -> None:
        """Keep it."""
        received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the data go."""
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def hook() -> Iterator[str]:
    """The Apprise address of a receiver on loopback."""
    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def client(home: Path, hook: str) -> Iterator[Client]:
    """All of Headrace, up on ports of its own, and a client of it."""
    kafka, edge, dashboard = free_ports(3)
    while not is_free(kafka + 1):
        kafka += 2
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
        "HEADRACE_HOME": str(home),
        "HEADRACE_KAFKA": f"127.0.0.1:{kafka}",
        "HEADRACE_EDGE_PORT": str(edge),
        "HEADRACE_DASHBOARD_PORT": str(dashboard),
        "HEADRACE_HTTP_PRIVATE": "true",
        "HEADRACE_TASK_PARTITIONS": "2",
        "WEATHER_NOTIFY": hook,
    }
    words = [sys.executable, "-m", "headrace", "up"]
    with subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        said = []
        for line in process.stdout or ():
            said.append(line)
            if "Ctrl-C stops everything" in line:
                break
        else:
            pytest.fail("".join(said))
        with Client(f"http://127.0.0.1:{edge}", (home / "api-token").read_text().strip()) as client:
            yield client
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)


def run(client: Client, pipeline: str) -> dict[str, ExecutionView]:
    """Run a pipeline to its end; its executions by the tasks' short names."""
    tasks = len(client.pipeline(pipeline).tasks)
    which = ExecutionFilter(pipeline=pipeline, run=client.run_pipeline(pipeline).run)
    while True:
        rows = client.executions(which, limit=100).items
        if len(rows) == tasks and all(row.state in TERMINAL_STATES for row in rows):
            return {row.task.partition(".")[2]: client.execution(row.execution) for row in rows}
        time.sleep(0.3)


def test_weather_makes_a_table_and_a_picture(client: Client, home: Path) -> None:
    """All succeeds, one task after a retry; the years are cleaned before the less urgent work; people are told."""
    done = run(client, "weather")
    assert {view.state for view in done.values()} == {"succeeded"}
    assert [a.state for a in done["clean_2014"].attempts] == ["failed", "succeeded"]
    assert "1461 days" in " ".join(line.text for line in client.logs(done["load"].execution))
    assert client.sql("SELECT count(), sum(days), argMax(month, warmest) FROM weather_report").rows == ((12, 1461, 8),)
    assert (home / "artifacts" / "weather.svg").read_text().startswith("<?xml")
    end = time.monotonic() + 60
    while not received:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert received[0]["title"] == "Seattle's weather is drawn"


def test_kinds_shows_each_kind(client: Client) -> None:
    """Each kind does its one thing; the page may be out of reach, and the rest goes on."""
    done = run(client, "kinds")
    assert {name for name, view in done.items() if view.state != "succeeded"} <= {"page"}
    summary = done["summary"].result
    assert isinstance(summary, dict)
    assert (summary["words"], summary["longest"], summary["approved by"]) == (19, "boards", "kinds.approver")
    assert done["approval"].worker is None


def test_cars_ends_as_its_rules_say(client: Client, home: Path) -> None:
    """Every trigger rule leads where the docstring says; the scratch file is gone."""
    done = run(client, "cars")
    assert {name: view.state for name, view in done.items()} == {
        "load": "succeeded",
        "check_consumption": "failed",
        "check_power": "failed",
        "check_weight": "succeeded",
        "publish": "upstream_failed",
        "first_word": "succeeded",
        "quarantine": "succeeded",
        "report": "succeeded",
        "electric": "skipped",
        "charging": "skipped",
        "clean_up": "succeeded",
    }
    assert "8 cars have no Miles_per_Gallon" in str(done["check_consumption"].error)
    assert done["report"].result == {"Europe": 9.0, "Japan": 8.1, "USA": 12.9}
    assert not list((home / "artifacts").glob("cars-*"))
