"""Live many lives of the simulated cluster: `python -m tests.simulated --seeds 10000 --from 0 [--bug NAME]`.

Prints the seeds that broke a promise, with the evidence and the command that replays it. Ends with 1 where one did.
"""

import argparse
import contextlib
import sys
import time

from tests.simulated.virtual.life import SIZE, live, quietly
from tests.simulated.virtual.planted import BUGS


def main() -> int:
    """Live, print what broke, and how quick it was."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulated", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--size", type=int, default=SIZE, help="executions in a life")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant this bug")
    asked = parser.parse_args()
    say, begun, broken = sys.stdout.write, time.process_time(), 0
    with quietly(), BUGS[asked.bug].plant() if asked.bug else contextlib.nullcontext():
        for seed in range(asked.first, asked.first + asked.seeds):
            life = live(seed, asked.size)
            broken += bool(life.verdict.violations)
            if life.verdict.violations or asked.seeds == 1:
                say(f"{life}\ntrace {life.trace}, {life.steps} steps, {life.seconds:.1f} virtual seconds\n")
    cpu = time.process_time() - begun
    say(f"{asked.seeds} lives, {broken} with a broken promise; {asked.seeds / cpu * 60:,.0f} a minute of CPU time\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
