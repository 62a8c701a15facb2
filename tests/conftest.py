"""What all tests share: the broker they talk to."""

import os

import pytest


@pytest.fixture(scope="session")
def kafka() -> str:
    """The bootstrap address of a real broker."""
    return os.environ["HEADRACE_TEST_KAFKA"]
