import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from streams.collector import undisturbed


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The collector looks again afterwards, whatever a test did."""
    yield
    gc.enable()


def test_the_collector_rests_inside_and_looks_again_after() -> None:
    """Also where what is inside fails."""
    gc.enable()
    with suppress(KeyError), undisturbed():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """One moment may stand inside another."""
    with undisturbed():
        with undisturbed():
            pass
        assert not gc.isenabled()
