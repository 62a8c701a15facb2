"""What a system pays that has worked for longer than it keeps what has ended: as much is forgotten then as is done.

It is made to keep it for seconds only, so that it is there at once; one beside it keeps everything.
"""

from streams.bench import load, measure, pairs, usage
from streams.bench.measure import MeasurementError
from streams.bench.run import once, warm
from streams.bench.show import Figures, Row
from streams.bench.system import System, say
from streams.settings import Settings
from ui.client import ApiError

KEEP = 3.0
"""Seconds for which what has ended is kept in the one, a fraction of one load."""

LONG = 86_400.0
"""Seconds for which it is kept in the other one: longer than anybody measures."""

OLDEST = "SELECT execution FROM executions ORDER BY finished_at LIMIT 1"
OTHER = "one that keeps all"


def measure_steady(settings: Settings, executions: int, repeats: int) -> Figures:
    """A load in both by turns. Before the first pair each has had one, so that there is something to forget."""
    measured = load.throughput(executions)
    say(f"Two systems: the first one forgets what ended {KEEP:g} s ago, the second one keeps all.")
    with warm(_keeping(settings, KEEP), own=True) as steady, warm(_keeping(settings, LONG), own=True) as keeper:
        for here in (steady, keeper):
            once(here, measured)
        found = pairs.by_turns(steady, keeper, measured, repeats)
        _check(steady)
        disk = {"MB of RocksDB": usage.disk(steady)["rocksdb"] // usage.MB}
        disk[f"MB of RocksDB in {OTHER}"] = usage.disk(keeper)["rocksdb"] // usage.MB
    return {"executions": executions, "keep_finished": KEEP, **found, **disk, "machine": measure.machine()}


def _check(here: System) -> None:
    """Raise MeasurementError where the oldest execution is still there: then nothing was forgotten, or too slowly."""
    oldest = str(here.client.sql(OLDEST).rows[0][0])
    try:
        here.client.retry(oldest)
    except ApiError as refused:
        if "nothing more is kept" in str(refused):
            return
    raise MeasurementError(f"execution {oldest} should have been forgotten, and was not")


def _keeping(settings: Settings, seconds: float) -> Settings:
    return settings.model_copy(update={"keep_finished": seconds})


def show(found: Figures) -> list[Row]:
    """Rows of a table."""
    cpu = "cpu_seconds_per_1000"
    return [
        *pairs.rows("one that forgets as much as it does", OTHER, found),
        ("CPU of one that forgets", "s/1,000", found[cpu]),
        (f"CPU of {OTHER}", "s/1,000", found[f"{cpu}_in_the_other_one"]),
    ]
