"""Foreign programs, and what they leave behind."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from streams.worker.program import Ran, run

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Kept:
    """Takes output instead of an attempt's."""

    cut = False

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def line(self, stream: str, text: str) -> None:
        """Keep it."""
        self.lines.append((stream, text))


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Runs within the loop of the standard library, and within the one that workers use."""
    with asyncio.Runner(loop_factory=request.param) as made:
        yield made


def ran(runner: asyncio.Runner, kept: Kept, command: str, stdin: bytes = b"") -> Ran:
    """Run a shell's command to its end."""
    program = run(["sh", "-c", command], kept, stdin=stdin, memory=2**30, longest=8_000)
    return runner.run(asyncio.wait_for(program, 30))


def test_its_streams_are_files_that_it_may_open_by_name(runner: asyncio.Runner) -> None:
    """As they are in a terminal and in a pipeline."""
    kept = Kept()
    command = "cat /dev/stdin > /dev/stdout; echo problem > /dev/stderr"
    assert ran(runner, kept, command, b"a line\n") == Ran(0, "a line", "problem")
    assert kept.lines == [("stdout", "a line"), ("stderr", "problem")]


def test_all_of_its_output_is_read_in_order(runner: asyncio.Runner) -> None:
    """More than a pipe holds, and what it wrote just before its end."""
    kept = Kept()
    assert ran(runner, kept, "seq 100000; printf last").stdout == "last"
    assert [text for _, text in kept.lines] == [*map(str, range(1, 100_001)), "last"]


def test_input_that_it_does_not_read_is_no_failure(runner: asyncio.Runner) -> None:
    """However long it is."""
    assert ran(runner, Kept(), "true", bytes(1_000_000)) == Ran(0, "", "")
    assert ran(runner, Kept(), "wc -c", bytes(1_000_000)) == Ran(0, "1000000", "")


def test_input_cannot_be_changed(runner: asyncio.Runner) -> None:
    """It lies in memory that nobody counts."""
    assert ran(runner, Kept(), "echo more >> /dev/stdin", b"given").status != 0


@pytest.mark.parametrize("writes", ["sleep 60", "yes"])
def test_it_has_ended_when_it_ends_itself(runner: asyncio.Runner, tmp_path: Path, writes: str) -> None:
    """Whatever it left behind out of reach, which holds its output open or writes to it for ever."""
    note = tmp_path / "pid"
    left = f"setsid sh -c 'echo $$ > {note}; exec {writes}' &"
    try:
        assert ran(runner, Kept(), f"{left} until [ -s {note} ]; do sleep 0.01; done; exit 3").status == 3
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(note.read_text()), signal.SIGKILL)
