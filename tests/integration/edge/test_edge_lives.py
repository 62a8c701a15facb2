"""Ids that live again: what the live tail says of them is of the newest life.

History has rows of both where they begin in different minutes, for which nobody waits here.
"""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from pipelines.model import ExternalTask
from pipelines.requests import BulkRequest
from pipelines.views import Accepted
from streams.settings import Settings
from streams.token import ensure_token
from tests.integration.edge.conftest import apart, up
from ui.client import ApiError, Client


@pytest.fixture(scope="module")
def forgetful(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A system that soon forgets what has ended."""
    brief = {"keep_finished": "3", "remember_done": "0"}
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


def until_retried(client: Client, execution: str) -> str:
    """Retry it as soon as the scheduler has forgotten an earlier retry; what that has made."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(ApiError):
            if (accepted := client.retry(execution, wait=0.3)).state == "running":
                return accepted.execution or ""
        time.sleep(0.1)
    raise AssertionError("it was not retried")


def test_a_second_life_is_retried_as_the_first_one_was(client: Client, name: str) -> None:
    """Though history knows of the first one's retry, which is forgotten; its own counts, alone and among many."""
    first = client.submit(ExternalTask(id=name)).execution or ""
    client.finish(first, outcome="failed")
    new = client.retry(first).execution or ""
    client.finish(new)
    lives_again(client, name)
    client.finish(first, outcome="failed")
    assert until_retried(client, first) == new
    with pytest.raises(ApiError, match="it was retried already"):
        client.retry(first)
    assert client.retry_many(BulkRequest(ids=(first,))).accepted == 0
