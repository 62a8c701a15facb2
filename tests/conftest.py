"""What all tests share: the order of the folders, and the broker they talk to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.local.broker import Broker
from streams.local.ports import free_ports

os.environ.pop("HEADRACE_COMMAND", None)  # `./dev test` sets it, and tests of what is said expect the plain name

LONGEST = "acceptance", "integration"
"""The folders whose files take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, in random order as before: the short ones fill both processes of `./dev test` to the end."""
    items.sort(key=lambda item: [f"/{name}/" not in item.nodeid for name in LONGEST])


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a real broker: the one of HEADRACE_TEST_KAFKA, or one started for this run."""
    if running := os.environ.get("HEADRACE_TEST_KAFKA"):
        yield running
        return
    folder: Path = tmp_path_factory.mktemp("kafka")
    with Broker(folder, *free_ports(2)) as broker:
        yield broker.bootstrap
