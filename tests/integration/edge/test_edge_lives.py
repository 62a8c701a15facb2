"""Ids that live again: what is said of them is of the newest life."""

import time
from collections.abc import Iterator

import pytest

from pipelines.model import ExternalTask
from pipelines.views import Accepted
from streams.settings import Settings
from streams.token import ensure_token
from tests.integration.edge.conftest import apart, up
from ui.client import Client


@pytest.fixture(scope="module")
def forgetful(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A system that forgets at once what has ended."""
    brief = {"keep_finished": "0.1", "remember_done": "0"}
    with apart(kafka, tmp_path_factory.mktemp("lives"), **brief) as settings, up(settings, "scheduler", "edge"):
        yield settings


@pytest.fixture
def client(forgetful: Settings) -> Iterator[Client]:
    """A client of its edge."""
    with Client(forgetful.edge_url, ensure_token(forgetful)) as made:
        yield made


def lives_again(client: Client, name: str) -> Accepted:
    """Submit a task that has ended until it is executed anew."""
    deadline = time.monotonic() + 30
    while (accepted := client.submit(ExternalTask(id=name))).existing is not False:
        assert time.monotonic() < deadline, "the first life is taken for the second"
        time.sleep(0.1)
    return accepted


def test_a_second_life_is_not_answered_with_the_first(client: Client, name: str) -> None:
    """Though the first one took more steps: it can be cancelled, and shows no result of the other."""
    first = client.submit(ExternalTask(id=name)).execution or ""
    assert client.finish(first, result=1).state == "succeeded"
    again = lives_again(client, name)
    assert (again.execution, again.state) == (first, "running")
    view = client.execution(first)
    assert (view.state, view.result, view.created_at) == ("running", None, again.created_at)
    assert client.cancel(first).state == "cancelled"
