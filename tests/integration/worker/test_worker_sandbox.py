"""Hostile code behind the walls. Each attack raises where it is held back; one that comes to its end has escaped."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import uvloop
from structlog.testing import capture_logs

from streams.engine.events import LogLine
from streams.engine.records import Job
from streams.settings import Settings
from streams.worker import seccomp
from streams.worker.kinds.base import Attempt
from streams.worker.kinds.catalogue import make_kinds
from streams.worker.kinds.python import _answers
from streams.worker.outcomes import KindError, Outcome, RefusedError
from streams.worker.output import Output
from streams.worker.sandbox import weakness

MARK = "headrace-hostile"
BEGIN = "import os, sys, socket, ctypes, subprocess, signal, time, pathlib\nlibc = ctypes.CDLL(None, use_errno=True)\n"


class Kept:
    """Takes output instead of the broker."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    def put(self, line: LogLine) -> None:
        """Keep it."""
        self.lines.append(line)

    def text(self) -> str:
        """All of it."""
        return "\n".join(line.text for line in self.lines)


class Bench:
    """Runs attempts of code kinds without a worker around them."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(memory_limit_mb=200, slots=2, **settings)
        self.kinds = make_kinds(self.settings)
        self.kept = Kept()

    async def run(self, kind: str, call: dict[str, Any], limit: int = 0, payload: bytes = b"") -> Outcome:
        """Run one attempt; an error is an outcome here."""
        values = ("t", "r", kind, 5, 0, limit, msgspec.json.encode(call), payload)
        job = Job(uuid.uuid4().bytes, 1, 1, "w", *values, {"p.up": b'{"x":[1]}'})
        output = Output(self.kept, job, self.settings.output_limit)
        try:
            async with asyncio.timeout(limit / 1000 if limit else None):
                return await self.kinds[kind].run(Attempt(job, output))
        except KindError as error:
            return Outcome(error.outcome, error=str(error))
        except TimeoutError:
            return Outcome("timeout")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A bench in the default isolation; nothing that was started on it is alive afterwards."""
    others = children()
    yield (bench := Bench())
    deadline = time.monotonic() + 1
    while alive := [p.name() for p in children() - others if p.is_running() and p.status() != "zombie"]:
        assert time.monotonic() < deadline, alive
        await asyncio.sleep(0.02)
    assert bench.kinds


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host's with a secret in it."""
    (tmp_path / "secret").write_text("the host's secret")
    (tmp_path / "secret").chmod(0o666)
    yield tmp_path
    assert (tmp_path / "secret").read_text() == "the host's secret"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def children() -> set[psutil.Process]:
    """Processes below this one: sandboxes and what is in them, but also what other tests have running."""
    return set(psutil.Process().children(recursive=True))


HOSTILE = {
    "write to the host's folder": "open('{outside}/new', 'w').write('x')",
    "change the host's file": "open('{outside}/secret', 'w').write('x')",
    "read the host's file": "assert open('{outside}/secret').read()",
    "read the password hashes": "assert open('/etc/shadow').read()",
    "read root's home": "assert os.listdir('/root/.ssh')",
    "read the host's environment": "assert b'PYTEST' in open('/proc/1/environ', 'rb').read()",
    "see the host's environment in its own": "assert 'PYTEST_CURRENT_TEST' in os.environ",
    "write into the system": "open('/usr/bin/evil', 'w').write('x')",
    "write at the root": "open('/evil', 'w').write('x')",
    "write into the interpreter": "open(os.__file__, 'a').write('#')",
    "write to devices": "open('/dev/evil', 'w').write('x')",
    "make a device": "os.mknod('/tmp/sda', 0o60666, os.makedev(8, 0)); open('/tmp/sda', 'rb').read(1)",
    "read the disk": "assert open('/dev/sda', 'rb').read(1)",
    "read kernel memory": "assert open('/proc/kcore', 'rb').read(64)",
    "connect to the host": "socket.create_connection(('127.0.0.1', {port}), 2)",
    "connect to the network": "socket.create_connection(('1.1.1.1', 53), 2)",
    "resolve a name": "socket.getaddrinfo('example.com', 80)",
    "see network interfaces": "assert [n for _, n in socket.if_nameindex() if n != 'lo']",
    "reach the host's sockets by their names": "s = socket.socket(socket.AF_UNIX); s.connect('\\0{mark}')",
    "open a raw socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "kill a process of the host": "os.kill({pid}, 9)",
    "see processes of the host": "assert len([p for p in os.listdir('/proc') if p.isdigit()]) > 5",
    "trace its parent": "assert libc.ptrace(16, os.getppid(), 0, 0) == 0",
    "become root": "os.setuid(0)",
    "become root by a program": "assert subprocess.run(['su', '-c', 'true'], input=b'').returncode == 0",
    "mount something": "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0) == 0",
    "make walls writable": "assert libc.mount(0, b'/usr', 0, 32 | 4096, 0) == 0",
    "take walls away": "assert libc.umount2(b'/tmp', 2) == 0",
    "make a user namespace": "assert libc.unshare(0x10000000) == 0",
    "join the first namespaces": "assert libc.setns(os.open('/proc/1/ns/mnt', 0), 0) == 0",
    "leave by chroot": "os.mkdir('/tmp/x'); os.chroot('/tmp/x')",
    "leave by the first process's root": "assert os.path.exists('/proc/1/root{outside}/secret')",
    "leave by an inherited descriptor": "assert [fd for fd in range(3, 300) if os.path.isdir(f'/proc/self/fd/{fd}')]",
    "give itself more memory": "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40))",
    "set the clock": "time.clock_settime(time.CLOCK_REALTIME, 0)",
    "load a kernel module": "assert libc.syscall(313, 0, b'', 0) == 0",
    "load a BPF program": "assert libc.syscall(321, 0, 0, 0) >= 0",
    "change the kernel": "open('/proc/sys/kernel/core_pattern', 'w').write('|/tmp/evil')",
    "change the host's name": "socket.sethostname('evil')",
    "restart the machine": "assert libc.reboot(0x01234567) == 0",
    "raise its priority": "os.nice(-10)",
    "type into the terminal": "import fcntl; fcntl.ioctl(0, 0x5412, b'x')",
}


REFUSALS = {"AssertionError", "PermissionError", "FileNotFoundError", "OSError", "gaierror", "ConnectionRefusedError"}
REFUSALS |= {"ProcessLookupError", "ValueError"}
"""What walls raise; any other error would be a mistake in the attack."""


@pytest.mark.parametrize("attack", HOSTILE)
async def test_hostile_code_is_held_back(bench: Bench, outside: Path, attack: str) -> None:
    """It fails, or finds nothing."""
    victim = subprocess.Popen(["sleep", "30"])  # noqa: ASYNC220  (it starts at once)
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0{MARK}-{os.getpid()}")
        unix.listen()
        code = HOSTILE[attack].replace("{outside}", str(outside)).replace("{port}", str(tcp.getsockname()[1]))
        code = code.replace("{mark}", f"{MARK}-{os.getpid()}").replace("{pid}", str(victim.pid))
        outcome = await bench.run("python", {"code": f"{BEGIN}{code}\nresult = 'escaped'"}, 20_000)
        tcp.setblocking(False)
        with pytest.raises(BlockingIOError):
            tcp.accept()
    alive = victim.poll() is None
    victim.kill()
    victim.wait()
    assert alive
    assert outcome.outcome == "failed"
    assert outcome.error.partition(":")[0] in REFUSALS, outcome.error


async def test_a_fork_bomb_is_bounded_and_gone(bench: Bench) -> None:
    """So many processes and no more; all are gone when the attempt is."""
    bomb = "n = 0\ntry:\n    while os.fork(): n += 1\n    time.sleep(60)\nexcept OSError: result = n"
    outcome = await bench.run("python", {"code": BEGIN + bomb}, limit=20_000)
    assert outcome.outcome == "succeeded", outcome
    assert int(outcome.result) <= 64 * bench.settings.slots


async def test_processes_that_leave_their_session_are_gone_too(bench: Bench) -> None:
    """Setsid and a double fork do not save them, at the end or at a timeout."""
    left = "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n    os._exit(0)\n"
    assert (await bench.run("python", {"code": BEGIN + left})).outcome == "succeeded"
    assert (await bench.run("python", {"code": f"{BEGIN}{left}time.sleep(60)"}, limit=500)).outcome == "timeout"
    assert (await bench.run("shell", {"command": "(setsid sleep 60 &) ; sleep 60"}, limit=500)).outcome == "timeout"


async def test_a_memory_bomb_is_stopped(bench: Bench) -> None:
    """In one process by its limit, in many together by the watch."""
    one = await bench.run("python", {"code": "x = bytearray(1 << 30); result = 'escaped'"}, limit=20_000)
    assert "MemoryError" in one.error
    many = (
        "for _ in range(20):\n    if os.fork() == 0:\n        x = bytearray(60 << 20); time.sleep(30)\ntime.sleep(30)"
    )
    together = await bench.run("python", {"code": BEGIN + many}, limit=20_000)
    assert together.outcome == "failed"
    assert "its limit is 200 MB" in together.error


async def test_a_disk_bomb_is_stopped(bench: Bench) -> None:
    """Its own folder has a size, and so has a file."""
    for place in ("/tmp", "/dev/shm"):  # noqa: S108  (inside the sandbox)
        fill = f"for n in range(9):\n    with open('{place}/f%d' % n, 'wb') as f: f.write(bytes(30 << 20))"
        outcome = await bench.run("python", {"code": fill}, limit=20_000)
        assert "OSError" in outcome.error, outcome


async def test_a_descriptor_bomb_is_stopped(bench: Bench) -> None:
    """So many open files and no more."""
    outcome = await bench.run("python", {"code": "kept = [open('/dev/null') for _ in range(10_000)]"})
    assert "Too many open files" in outcome.error


async def test_an_output_bomb_is_cut(bench: Bench) -> None:
    """What is beyond the limit is dropped, and the worker is not drowned by it."""
    outcome = await bench.run("shell", {"command": "yes | head -c 3000000; echo 7"}, limit=20_000)
    assert outcome == Outcome("succeeded", b"7")
    assert len(bench.kept.text()) < bench.settings.output_limit + 1000
    assert "cut here" in bench.kept.text()[-200:]


async def test_a_result_bomb_is_refused(bench: Bench) -> None:
    """More than the limit is a failure that names it, and what is no JSON is one too."""
    outcome = await bench.run("python", {"code": "result = 'x' * 9_000_000"}, limit=20_000)
    assert outcome.outcome == "failed"
    assert "65,536" in outcome.error
    assert "65,536" in (await bench.run("python", {"code": "result = 'x' * 65_535"})).error
    assert "TypeError" in (await bench.run("python", {"code": "result = {1}"})).error
    forged = "os.write(int(sys.argv[1]), b'[1'); os._exit(0)"
    assert (await bench.run("python", {"code": BEGIN + forged})).outcome == "failed"


async def test_code_runs_as_nobody_with_what_it_needs(bench: Bench) -> None:
    """Payload, inputs, an empty private folder, installed packages, and nothing else."""
    code = "import msgspec\nresult = [payload, inputs, os.getuid(), os.listdir('.'), os.getcwd(), sorted(os.environ)]"
    outcome = await bench.run("python", {"code": BEGIN + code}, payload=b'{"a":"\\u00e4"}')
    payload, inputs, uid, files, folder, env = msgspec.json.decode(outcome.result)
    files = [name for name in files if not Path(sys.prefix).is_relative_to(f"/tmp/{name}")]  # noqa: S108  (the interpreter)
    assert (payload, inputs, uid, files, folder) == ({"a": "ä"}, {"p.up": {"x": [1]}}, 65534, [], "/tmp")  # noqa: S108
    assert [name for name in env if not name.startswith("HEADRACE_")] == [
        "HOME",
        "LANG",
        "PATH",
        "PWD",
        "PYTHONUNBUFFERED",
    ]
    assert (await bench.run("python", {"code": "raise Skip('no')"})) == Outcome("skipped", error="no")
    assert (await bench.run("python", {"code": "1 / 0"})).error == "ZeroDivisionError: division by zero"
    assert 'File "<snippet>", line 1' in bench.kept.text()
    assert "exit status 5" in (await bench.run("python", {"code": "import os; os._exit(5)"})).error


async def test_the_walls_themselves_know_nothing_of_the_worker(bench: Bench) -> None:
    """What is inside may read the environment of the process that built the walls, where both are one user's."""
    running = asyncio.create_task(bench.run("shell", {"command": "sleep 1"}))
    seen: list[set[str]] = []
    while not running.done():
        with contextlib.suppress(psutil.Error):
            walls = [p for p in psutil.Process().children(recursive=True) if p.name() == "bwrap"]
            seen += [set(p.environ()) for p in walls]
        await asyncio.sleep(0.05)
    assert seen
    assert all(names <= {"PATH"} for names in seen)


def test_a_pipe_is_closed_once() -> None:
    """Its number may be somebody else's file a moment later, and that must stay open, in the worker's own loop too."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_open_something_in_between())


async def _open_something_in_between() -> None:
    async with _answers(10) as (pipe, answer):
        os.write(pipe.fileno(), b"x")
        pipe.shutdown(socket.SHUT_WR)
        others = [os.open(os.devnull, os.O_RDONLY)]
        assert await answer == b"x"
        others += [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    others += [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    await asyncio.sleep(0.01)
    for other in others:
        os.close(other)  # raises where somebody has closed it already


async def test_shell_commands_get_payload_inputs_and_arguments_byte_by_byte(bench: Bench) -> None:
    """Nothing is ever put into a shell's text."""
    words = ["a b", "$HOME", "`id`", "'", '"', "\\", "*", "--", "ä\n;", ""]
    show = "import sys, json; print(json.dumps(sys.argv[1:]))"
    outcome = await bench.run("shell", {"command": [sys.executable, "-c", show, *words]})
    assert msgspec.json.decode(outcome.result) == words
    for word in words:
        outcome = await bench.run(
            "shell", {"command": 'printf "%s|" "$WORD" >&2; cat', "env": {"WORD": word}}, payload=b"[1]"
        )
        assert outcome == Outcome("succeeded", b"[1]")
    assert "$HOME|" in bench.kept.text()
    assert (await bench.run("shell", {"command": "cat $HEADRACE_INPUTS"})).result == b'{"p.up":{"x":[1]}}'
    assert (await bench.run("shell", {"command": "echo plain text; echo"})).result == b'"plain text"'
    by_name = "cat /dev/stdin > /dev/stdout; echo seen > /dev/stderr"
    assert (await bench.run("shell", {"command": by_name}, payload=b"[2]")).result == b"[2]"
    assert "seen" in bench.kept.text()
    assert (await bench.run("shell", {"command": "true"})) == Outcome("succeeded")
    failed = await bench.run("shell", {"command": "echo because >&2; exit 7"})
    assert failed == Outcome("failed", error="exit status 7: because")
    assert (await bench.run("shell", {"command": ["no-such-program"]})).outcome == "failed"
    assert "zero byte" in (await bench.run("shell", {"command": ["echo", "a\0b"]})).error


async def test_where_no_sandbox_works_code_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With advice; and runs without walls only where an administrator says so."""
    plain = Bench(isolation="process")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert (await plain.run("shell", {"command": "cat $HEADRACE_INPUTS"})).result == b'{"p.up":{"x":[1]}}'
    assert (await plain.run("python", {"code": "result = payload"}, payload=b"3")).result == b"3"
    leaves = "if os.fork() == 0:\n    os.setsid()\n    time.sleep(20)\nresult = 4"
    assert (await plain.run("python", {"code": BEGIN + leaves}, limit=10_000)).result == b"4"
    assert (await plain.run("shell", {"command": "sleep 60 & sleep 60"}, limit=300)).outcome == "timeout"

    (tmp_path / "bwrap").write_text("#!/bin/sh\necho no namespaces here >&2; exit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    for kind, call in (("python", {"code": "1"}), ("shell", {"command": "true"})):
        outcome = await Bench().run(kind, call)
        assert outcome.outcome == RefusedError.outcome
        assert "no namespaces here" in outcome.error
        assert "apt install bubblewrap" in outcome.error
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert "bwrap is not installed" in (await Bench().run("shell", {"command": "true"})).error


def test_the_system_call_filter_is_built() -> None:
    """Libseccomp is on this machine, so there must be one."""
    assert len(seccomp.program()) > 8 * len(seccomp.FORBIDDEN)
    assert weakness() == ""


def test_a_missing_filter_is_told_when_the_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to get it; not where there are no walls at all."""
    monkeypatch.setattr(seccomp, "LIBRARY", "libnowhere.so.2")
    seccomp.program.cache_clear()
    try:
        with capture_logs() as told:
            make_kinds(Settings())
            make_kinds(Settings(isolation="process"))
    finally:
        seccomp.program.cache_clear()
    assert [("libnowhere.so.2" in line["reason"], "apt install" in line["reason"]) for line in told] == [(True, True)]
