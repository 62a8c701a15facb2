"""What the edge and the doctor say while ClickHouse is away: orders are taken, and the standstill has a name."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from kafka import KafkaProducer

from pipelines.events import ExecuteEvent
from pipelines.ids import execution_id, to_text
from pipelines.loader import load_folder
from pipelines.model import ExternalTask, PipelineModel, SleepTask
from pipelines.requests import BulkRequest, ExecutionFilter
from streams.edge.live import PAST_MESSAGES
from streams.engine.events import Moved
from streams.engine.records import Execution, State
from streams.local.doctor import examine
from streams.local.example import register
from streams.local.ports import free_ports
from streams.local.supervisor import environment
from streams.settings import Settings
from streams.topics import Topics
from tests.integration.edge.conftest import apart, up
from tests.integration.edge.listing import until
from ui.client import ApiError, ApiUnavailableError, Client


class Broken(BaseHTTPRequestHandler):
    """A ClickHouse server that answers, with an error."""

    def do_POST(self) -> None:
        """Fail as ClickHouse does."""
        self.send_error(500, "Code: 241. DB::Exception: memory limit exceeded")

    do_GET = do_POST  # noqa: N815  (the name is http.server's)


@pytest.fixture
def broken() -> Iterator[str]:
    """Where such a server is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def alone(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An edge whose ClickHouse server does not exist; one for the module, as it waits for that server at its start."""
    [nobody], home = free_ports(1), tmp_path_factory.mktemp("alone")
    with apart(kafka, home, clickhouse=f"http://127.0.0.1:{nobody}") as settings, up(settings, "edge"):
        yield settings


def client_of(settings: Settings) -> Client:
    """A client of the edge."""
    return Client(settings.edge_url, (settings.home / "api-token").read_text().strip())


def test_an_absent_clickhouse_is_named_and_stops_no_order(alone: Settings) -> None:
    """Submissions are accepted, questions to the history get 503, and health and doctor say what is away."""
    with client_of(alone) as client:
        assert client.submit(SleepTask(id="t", seconds=0), wait=0).execution
        undecided = client.submit(SleepTask(id="u", seconds=0), wait=1)
        assert (undecided.state, undecided.existing) == (None, None)
        with pytest.raises(ApiUnavailableError, match="the history cannot be read"):
            client.sql("SELECT 1")
        until = time.monotonic() + 30
        while not (said := [p for p in client.health().problems if "the history falls behind" in p]):
            assert time.monotonic() < until, client.health()
            time.sleep(0.1)
    assert "ClickHouse" in said[0]
    [check] = [check for check in examine(alone).checks if check.name == "api"]
    assert check.status == "warn"
    assert "the history falls behind" in check.detail
    assert "by itself" in check.mend


def test_what_nobody_has_decided_is_not_said_to_be_done(kafka: str, tmp_path: Path) -> None:
    """With no scheduler a deletion is only ordered, and where a refusal will stand is said."""
    with apart(kafka, tmp_path) as settings:
        with up(settings, "edge", "scheduler"), client_of(settings) as client:
            assert client.create_task(ExternalTask(id="t"), wait=30).decided
        line = [sys.executable, "-m", "headrace", "delete", "t"]
        with up(settings, "edge"):
            done = subprocess.run(
                line,
                env={**os.environ, **environment(settings)},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
    assert done.stderr.split(";")[0] == "ordered the deletion of t"


def test_a_folder_is_loaded_without_a_history(alone: Settings, tmp_path: Path) -> None:
    """What is kept from earlier cannot be said then, and is only a remark."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "p.py").write_text("from headrace import Pipeline\n\nPipeline('p').sleep('nap', seconds=0)\n")
    said: list[str] = []
    with up(alone, "scheduler"), client_of(alone) as client:
        register(client, load_folder(tmp_path / "mine"), tmp_path / "mine", said.append)
    assert said == [f"Loaded from {tmp_path / 'mine'}: the pipeline p."]


def test_what_is_decided_is_answered_without_a_history(alone: Settings) -> None:
    """Whoever is told of an error would order again what is done: a new run would run a pipeline twice."""
    tasks = tuple(ExternalTask(id=f"p.{n}") for n in range(50))
    with up(alone, "scheduler"), client_of(alone) as client:
        assert client.submit(ExternalTask(id="decided"), wait=30).existing is False
        assert client.submit(ExternalTask(id="decided"), wait=30).existing is True
        client.create_pipeline(PipelineModel(id="p", tasks=tasks), wait=30)
        assert client.run_pipeline("p", run="r", wait=30).existing is False
        with pytest.raises(ApiError, match="no such execution") as refused:
            client.cancel(to_text(execution_id("decided", "nowhere")), wait=30)
        assert refused.value.status == 409
        events = [ExecuteEvent(pipeline="p", run=f"r{n}") for n in range(3)]
        assert all(len(one.executions or {}) == len(tasks) for one in client.send(events))


def test_a_history_that_answers_with_an_error_stops_no_cancel(kafka: str, tmp_path: Path, broken: str) -> None:
    """The scheduler decides on it, as it does where there is no history."""
    which = to_text(execution_id("t", "nowhere"))
    with (
        apart(kafka, tmp_path, clickhouse=broken) as settings,
        up(settings, "edge", "scheduler"),
        client_of(settings) as client,
    ):
        for order in (client.cancel, client.finish):
            with pytest.raises(ApiError, match="no such execution"):
                order(which, wait=30)


def bury(settings: Settings) -> None:
    """Let so much come behind the events so far that an edge that starts reads none of them."""
    with closing(KafkaProducer(bootstrap_servers=settings.kafka)) as producer:
        for _ in range(PAST_MESSAGES):
            producer.send(Topics.under(settings.namespace).events, msgspec.msgpack.encode([]), partition=0)


def test_a_short_wait_leaves_time_to_look_a_repetition_up(kafka: str, tmp_path: Path) -> None:
    """In the history, where the API was started after the first one; it may be slow, so somebody asks again."""
    with apart(kafka, tmp_path) as settings:
        with up(settings, "edge", "scheduler"), client_of(settings) as client:
            assert client.submit(ExternalTask(id="t"), wait=30).existing is False
            until(client, ExecutionFilter(task="t"), 1)
        bury(settings)
        with up(settings, "edge", "scheduler"), client_of(settings) as client:
            patience = time.monotonic() + 30
            while not client.submit(ExternalTask(id="t"), wait=0.2).existing:
                assert time.monotonic() < patience


def test_a_history_that_is_behind_forbids_no_retry(kafka: str, tmp_path: Path) -> None:
    """It says "running" still, and the API has heard nothing since it was started: the scheduler decides."""
    which = execution_id("t", "r")
    at = round(time.time() * 1000)
    record = Execution(which, "t", "r", "external", State.RUNNING, created_at=at, started_at=at)
    with apart(kafka, tmp_path) as settings:
        with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
            producer.send(
                Topics.under(settings.namespace).events,
                msgspec.msgpack.encode([Moved("created", at, record)]),
                partition=0,
            )
        bury(settings)
        with up(settings, "edge", "scheduler"), client_of(settings) as client:
            assert until(client, ExecutionFilter(state=("running",)), 1) == [to_text(which)]
            with pytest.raises(ApiError, match="no such execution, or it ended too long ago"):
                client.retry(to_text(which), wait=30)
            assert client.retry_many(BulkRequest(ids=(to_text(which),))).accepted == 1
