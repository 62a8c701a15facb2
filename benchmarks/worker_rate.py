"""No-op functions a second through one real worker over a real broker, and what each costs.

    python benchmarks/worker_rate.py [--kafka 127.0.0.1:9092] [--jobs 100000] [--slots 8]

This program plays the dispatcher and the scheduler. Prints one JSON object.
"""

import argparse
import asyncio
import json
import tempfile
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import psutil
import uvloop

DESK = Path(__file__).parents[1] / "tests" / "apps" / "worker_desk.py"
BATCH = 200
"""Jobs in one envelope."""


def _desk_class() -> Any:
    spec = spec_from_file_location("worker_desk", DESK)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(DESK)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Desk


def _cpu_seconds(pid: int) -> dict[str, float]:
    """Of the worker, and of its processes, so far."""
    worker = psutil.Process(pid)
    return {"worker": _spent(worker), "processes": sum(map(_spent, worker.children()))}


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _job(desk: Any, number: int, payload: dict[str, str]) -> Any:
    """A task that runs once, as most do."""
    return desk.job("function", {"function": "headrace.noop"}, task=f"once-{number}", payload=payload)


async def _push(desk: Any, count: int, payload: dict[str, str]) -> None:
    """Assign `count` jobs as fast as the worker's credits allow, and wait for all their ends."""
    done = len(desk.finished) + count
    left = count
    while left:
        room = min(BATCH, left, desk.limit - desk.seq)
        if room <= 0:
            await asyncio.sleep(0.001)
            continue
        await desk.run(*(_job(desk, left - n, payload) for n in range(room)))
        left -= room
    await desk.until(lambda: len(desk.finished) >= done, 120)


async def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    payload = {"text": "x" * 1000}
    with tempfile.TemporaryDirectory() as folder:
        async with _desk_class()(arguments.kafka, Path(folder), slots=arguments.slots) as desk:
            process = await desk.start()
            await _push(desk, 5000, payload)
            before, started = _cpu_seconds(process.pid), time.perf_counter()
            await _push(desk, arguments.jobs, payload)
            seconds, after = time.perf_counter() - started, _cpu_seconds(process.pid)
            failed = sum(1 for f in desk.finished if f.outcome != "succeeded")
            await desk.stop(process)
    cost = {f"cpu_us_{name}": round((after[name] - before[name]) / arguments.jobs * 1e6, 1) for name in before}
    return {
        "jobs": arguments.jobs,
        "failed": failed,
        "seconds": round(seconds, 3),
        "jobs_per_second": round(arguments.jobs / seconds),
        **cost,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", default="127.0.0.1:9092", help="bootstrap servers of a running broker")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--slots", type=int, default=8)
    print(json.dumps(uvloop.run(_measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
