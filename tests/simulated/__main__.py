"""Live many lives of the simulated cluster: `python -m tests.simulated --seeds 10000 --from 0 [--bug NAME]`.

Prints the seeds that broke a promise, with the evidence and the command that replays it. Ends with 1 where one did.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulated.virtual.life import SIZE, live, quietly
from tests.simulated.virtual.planted import BUGS

PIECE = 20
"""Lives that a process is given at a time."""


def main() -> int:
    """Live, print what broke, and how quick it was."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulated", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--size", type=int, default=SIZE, help="executions in a life")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant this bug")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes; all cores where nothing is said")
    asked = parser.parse_args()
    seeds, begun, broken = range(asked.first, asked.first + asked.seeds), time.monotonic(), 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        work = partial(_lived, size=asked.size, bug=asked.bug)
        for told in pool.map(work, (seeds[at : at + PIECE] for at in range(0, asked.seeds, PIECE))):
            for said, is_broken in told:
                broken += is_broken
                if is_broken or asked.seeds == 1:
                    sys.stdout.write(said)
    rate = asked.seeds / (time.monotonic() - begun) * 60
    sys.stdout.write(f"{asked.seeds} lives, {broken} with a broken promise; {rate:,.0f} a minute\n")
    return 1 if broken else 0


def _lived(seeds: Iterable[int], size: int, bug: str | None) -> list[tuple[str, bool]]:
    """Of each life what it tells, and whether it broke a promise."""
    with quietly(), BUGS[bug].plant() if bug else contextlib.nullcontext():
        return list(_lives(seeds, size))


def _lives(seeds: Iterable[int], size: int) -> Iterator[tuple[str, bool]]:
    for seed in seeds:
        life = live(seed, size)
        told = f"{life}\ntrace {life.trace}, {life.steps} steps, {life.seconds:.1f} virtual seconds\n"
        yield told, bool(life.verdict.violations)


if __name__ == "__main__":
    sys.exit(main())
