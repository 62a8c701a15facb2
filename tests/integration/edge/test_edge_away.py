"""What the edge and the doctor say while ClickHouse is away: orders are taken, and the standstill has a name."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pipelines.model import SleepTask
from streams.local.doctor import examine
from streams.local.ports import free_ports
from streams.local.topics_admin import admin, ensure_topics
from streams.settings import Settings
from streams.topics import layout
from tests.integration.edge.conftest import start, stop, until_ready
from ui.client import ApiUnavailableError, Client


@pytest.fixture
def alone(kafka: str, tmp_path: Path) -> Iterator[Settings]:
    """An edge whose ClickHouse server does not exist."""
    edge, nobody = free_ports(2)
    named = {
        "home": str(tmp_path),
        "kafka": kafka,
        "namespace": f"away-{uuid4().hex[:8]}",
        "edge_port": str(edge),
        "edge_url": f"http://127.0.0.1:{edge}",
        "clickhouse": f"http://127.0.0.1:{nobody}",
    }
    settings = Settings.model_validate(named)
    ensure_topics(settings)
    process = start("edge", tmp_path, {**os.environ, **{f"HEADRACE_{k.upper()}": v for k, v in named.items()}})
    try:
        until_ready(tmp_path / "edge.ready", process, tmp_path / "edge.log")
        yield settings
    finally:
        stop([process])
        with admin(kafka) as client:
            client.delete_topics(list(layout(settings)))


def test_an_absent_clickhouse_is_named_and_stops_no_order(alone: Settings) -> None:
    """Submissions are accepted, questions to the history get 503, and health and doctor say what is away."""
    with Client(alone.edge_url, (alone.home / "api-token").read_text().strip()) as client:
        assert client.submit(SleepTask(id="t", seconds=0), wait=0).execution
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
