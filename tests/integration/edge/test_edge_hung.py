"""What the edge says while its broker stands still."""

import time
from collections.abc import Iterator

import httpx
import pytest

from pipelines.model import ExternalTask
from pipelines.requests import ExecutionFilter
from pipelines.views import HealthView
from streams.local.broker import Broker
from streams.local.ports import free_ports
from streams.settings import Settings
from streams.token import read_token
from tests.integration.edge.conftest import apart, up
from tests.integration.edge.listing import until as listed
from tests.integration.standing_still import standing_still
from ui.client import ApiUnavailableError, Client

BROKEN = "Kafka does not answer"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that nobody else uses."""
    with Broker(tmp_path_factory.mktemp("hung"), *free_ports(2)) as one:
        yield one


@pytest.fixture(scope="module")
def edge(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An edge at that broker, and no scheduler."""
    with apart(broker.bootstrap, tmp_path_factory.mktemp("edge")) as settings, up(settings, "edge"):
        yield settings


def health(settings: Settings) -> HealthView:
    """What the edge says of itself, which is 200 whatever is wrong elsewhere."""
    answer = httpx.get(f"{settings.edge_url}/health", trust_env=False)
    assert answer.status_code == 200
    return HealthView.model_validate_json(answer.content)


def until(settings: Settings, begin: str) -> HealthView:
    """Wait for a first problem that begins so."""
    patience = time.monotonic() + 60
    while not (said := health(settings)).problems[:1] or not said.problems[0].startswith(begin):
        assert time.monotonic() < patience, said
        time.sleep(0.2)
    return said


def test_a_broker_that_hangs_is_a_problem_of_its_own(broker: Broker, edge: Settings) -> None:
    """It is named in place of those whose words go through it, and the edge that answers is alive."""
    assert until(edge, "no scheduler has been heard of").status == "degraded"
    with standing_still(broker):
        said = until(edge, BROKEN)
    assert (said.status, len(said.problems)) == ("degraded", 1)
    assert [one.role for one in said.roles if one.alive] == ["edge"]
    until(edge, "no scheduler has been heard of")


def test_an_order_does_not_wait_for_a_broker_that_hangs(broker: Broker, edge: Settings) -> None:
    """Whoever ordered is told soon, and that it may be carried out; ordered again in the same run it is so once."""
    with Client(edge.edge_url, read_token(edge), timeout=20) as client:
        with standing_still(broker), pytest.raises(ApiUnavailableError, match="did not confirm it, and it may be"):
            client.submit(ExternalTask(id="t"), run="r")
        with up(edge, "scheduler"):
            which = client.submit(ExternalTask(id="t"), run="r", wait=30).execution
            assert listed(client, ExecutionFilter(), 1) == [which]
