"""The weathers: what befalls whom, how soon, and where. Each is a name of `./dev chaos --fault NAME`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sinks.notify import notifier
from tests.apps.clickhouse_server import Server
from tests.chaos import calls, clocks, disks, networks, poison
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Hunt, hunt, kill, restart, rolling, visits, wait
from tests.chaos.figures import rate
from tests.chaos.stage import OURS, Pace, Stage, note
from tests.chaos.system import System, system

Say = Callable[[str], None]

MOSTLY_KILLS = ("kill",) * 12 + ("pause",)
"""A round of a role that dies all the time and stands still now and then."""


class Weather(NamedTuple):
    """Hunts by role, for a stage, a seed and the seconds it lasts; the system that is tormented; and what is told.

    `timed`: whether the times of messages can be compared; dispatches carry those of the scheduler that sent them.
    `kills`: whether each role that is hunted is killed, so that its kills may be the goal. What `figures` tells as
    `violations` counts with the judge's. `least`: seconds that it takes at least.
    """

    hunts: Callable[[Stage, int, float], dict[str, Hunt]]
    opened: Callable[[Say], AbstractContextManager[System]] = system
    figures: Callable[[Stage, Evidence], dict[str, Any]] = lambda stage, found: {}  # noqa: ARG005  (none)
    timed: bool = True
    kills: bool = False
    least: float = 0.0


def kills(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """All roles die side by side every few seconds: within a lease of the last fault, and behind it.

    In the last third of each minute schedulers and the broker are left alone: what a worker took along shows there how
    long that alone takes.
    """
    lease, session = stage.system.settings.lease, stage.system.settings.session_timeout
    paces = {
        "scheduler": Pace(MOSTLY_KILLS, (0.5, 4.0), session, keeps_calm=True),
        "worker": Pace(MOSTLY_KILLS, (0.5, 7.0), lease),
        "edge": Pace(MOSTLY_KILLS, (1.0, 12.0), notifier.SESSION),
        "kafka": Pace(MOSTLY_KILLS, (1.0, 8.0), 2.0, keeps_calm=True),
    }
    return {role: hunt(stage, role, pace, Random(f"{seed} {role}")) for role, pace in paces.items()}


def zombies(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """One process of each role stands still for a minute or so, again and again, and goes on as if nothing had been."""
    pace = Pace(("pause",), (5.0, 15.0), 30.0)
    return {role: hunt(stage, role, pace, Random(f"{seed} {role}")) for role in OURS}


def restarts(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """A rolling restart without end, while callers call: each process in turn is asked to end, and started again."""
    return {"all": rolling(stage, OURS, (4.0, 6.0), Random(seed), restart), "callers": calls.several(stage)}


def lone(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """A scheduler or a worker is killed, and nothing else happens until all that follows from it is over."""
    lease = stage.system.settings.lease
    return {"all": rolling(stage, ("scheduler", "worker"), (2 * lease, 3 * lease), Random(seed), kill)}


def relay(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """Each scheduler in turn is killed as soon as the other is up again, or up to two seconds later.

    Whoever takes over has just been ready to, and is the next to die.
    """
    return {"all": rolling(stage, ("scheduler",), (0.0, 2.0), Random(seed), kill)}


def joins(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """A third scheduler joins, stays for ten seconds, leaves in order, and comes back ten seconds later."""
    return {"visitor": visits(stage, (8.0, 12.0), Random(seed))}


def storm(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """A third scheduler joins or leaves every few seconds: a rebalance follows the other."""
    return {"visitor": visits(stage, (0.0, 2.0), Random(seed))}


def brokers(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """Three brokers, one of which dies or hangs every few seconds; schedulers and workers die as well, but seldom."""
    lease, session = stage.system.settings.lease, stage.system.settings.session_timeout
    paces = {
        "kafka": Pace(("kill", "kill", "pause"), (4.0, 12.0), 4.0),
        "scheduler": Pace(("kill",), (20.0, 60.0), session),
        "worker": Pace(("kill",), (20.0, 60.0), lease),
    }
    return {role: hunt(stage, role, pace, Random(f"{seed} {role}")) for role, pace in paces.items()}


def absence(stage: Stage, _seed: int, seconds: float) -> dict[str, Hunt]:
    """ClickHouse is there for a sixth of the time, and away for the rest; it comes back when the load ends."""
    return {"clickhouse": _absent(stage, seconds / 6)}


def _absent(stage: Stage, calm: float) -> Hunt:
    yield from wait(calm)
    with without_clickhouse(stage):
        while True:
            yield


@contextmanager
def without_clickhouse(stage: Stage) -> Iterator[None]:
    """Its server is killed, and started again when this is left."""
    server = stage.system.clickhouse
    if server is None:
        raise AssertionError("this system has no server to stop")
    strike = note(stage, "stop", "clickhouse", "clickhouse")
    server.kill()
    try:
        yield
    finally:
        server.start()
        strike.end()


@contextmanager
def beside_a_server(say: Say, edges: int = 1) -> Iterator[System]:
    """A system whose history is in a ClickHouse server, with so many edges."""
    with TemporaryDirectory(prefix="headrace-clickhouse-") as folder:
        server = Server(Path(folder))
        server.start()
        try:
            with system(say, clickhouse=server.url, edges=edges) as tormented:
                tormented.clickhouse = server
                yield tormented
        finally:
            server.kill()


@contextmanager
def on_three_brokers(say: Say) -> Iterator[System]:
    """Every record is on three brokers, and acknowledged by two."""
    with system(say, brokers=3) as tormented:
        yield tormented


def _rates(stage: Stage, found: Evidence) -> dict[str, Any]:
    [strike] = stage.strikes
    return {"dispatched_per_second": {"before": rate(found, 0, strike.at), "away": rate(found, strike.at, strike.over)}}


WEATHERS: dict[str, Weather] = {
    "kills": Weather(kills, kills=True),
    "lone": Weather(lone),
    "relay": Weather(relay),
    "zombies": Weather(zombies),
    "restarts": Weather(restarts, partial(beside_a_server, edges=2), calls.what_came_of_them),
    "joins": Weather(joins),
    "storm": Weather(storm),
    "clocks": Weather(clocks.jumps, timed=False),
    "networks": Weather(networks.cuts),
    "clickhouse": Weather(absence, beside_a_server, _rates),
    "disks": Weather(disks.full, disks.on_small_disks, disks.what_was_answered),
    "poison": Weather(poison.by_turns, figures=poison.compared, least=poison.LEAST),
    "brokers": Weather(brokers, on_three_brokers, kills=True),
}
