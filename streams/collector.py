"""Python's garbage collector on hot paths: it finds nothing there, and looks often."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 50_000
"""Objects that are made before the collector looks at the young ones; Python's own 700 pass in a moment here."""


def settle() -> None:
    """Let the collector leave alone what is loaded by now, and look more rarely at what comes.

    A batch makes so many objects that the collector would walk over the whole program several times a second: that
    was a fifth of the engine's time and a tenth of what recording costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)


@contextmanager
def undisturbed() -> Iterator[None]:
    """While inside, the collector does not look: for a moment that makes very many objects and no cycles."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()
