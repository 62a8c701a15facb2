import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pipelines.views import DeadLetterView, HealthView
from streams.local.checks.check import Check
from streams.local.checks.kafka import kafka as kafka_checks
from streams.local.checks.system import SKEW, edge, ports
from streams.local.doctor import Report, examine, show
from streams.local.lockfile import only_one
from streams.local.ports import free_ports
from streams.local.topics_admin import admin, ensure_topics
from streams.settings import Settings
from streams.topics import layout
from tests.integration.cluster import three_brokers


def settings_for(home: Path, kafka: str) -> Settings:
    """A set-up of its own on free ports."""
    edge, dashboard = free_ports(2)
    name = f"t-{uuid.uuid4().hex[:12]}"
    return Settings(home=home, kafka=kafka, namespace=name, edge_port=edge, dashboard_port=dashboard)


def by_name(report: Report) -> dict[str, Check]:
    """The checks by their names."""
    return {check.name: check for check in report.checks}


def test_what_is_not_up_is_said_with_how_to_start_it(tmp_path: Path) -> None:
    """Without a broker and an API the machine itself is still looked at, and nothing of it fails."""
    controller = free_ports(1)[0]
    checks = by_name(examine(settings_for(tmp_path, f"127.0.0.1:{controller}")))
    assert {"python", "java", "kafka jars", "home", "disk", "memory", "sandbox"} <= set(checks)
    assert checks["kafka"].status == checks["api"].status == "warn"
    assert "headrace up" in checks["kafka"].mend
    assert "topics" not in checks


def test_a_broker_that_ended_under_its_supervisor_is_no_reason_to_start_all(tmp_path: Path) -> None:
    """Where everything was started, what is missing has failed, and its log is named."""
    with only_one(tmp_path):
        check = by_name(examine(settings_for(tmp_path, f"127.0.0.1:{free_ports(1)[0]}")))["kafka"]
    assert (check.status, "nobody answers" in check.detail) == ("fail", True)
    assert f"{tmp_path}/logs/kafka.log" in check.mend
    assert "headrace up" not in check.mend


def test_a_broker_that_hangs_is_named_with_how_to_end_it(tmp_path: Path) -> None:
    """Its port is open, so that nobody starts it again: only a kill makes room for the next one."""
    with only_one(tmp_path), socket.create_server(("127.0.0.1", 0)) as hung:
        check = by_name(examine(settings_for(tmp_path, f"127.0.0.1:{hung.getsockname()[1]}")))["kafka"]
    assert (check.status, check.detail.partition(" at ")[0]) == ("fail", f"process {os.getpid()} listens")
    assert f"`kill -9 {os.getpid()}`, and `up` starts it again" in check.mend
    assert "until it comes up" not in check.mend


def test_each_disk_is_looked_at(tmp_path: Path) -> None:
    """A folder of the data that lies on another disk is named with the room that is left there."""
    with TemporaryDirectory(dir="/dev/shm") as other:
        (tmp_path / "kafka").symlink_to(other)
        (tmp_path / "state").mkdir()
        report = examine(settings_for(tmp_path, f"127.0.0.1:{free_ports(1)[0]}"))
        disks = [check.detail for check in report.checks if check.name == "disk"]
    assert [detail.partition(" free for ")[2] for detail in disks] == [str(tmp_path), str(tmp_path / "kafka")]


def test_the_pipelines_are_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is missing and each file that does not load fail; what files print does not disturb the report."""

    def found(folder: Path) -> list[tuple[str, str]]:
        settings = settings_for(tmp_path, f"127.0.0.1:{free_ports(1)[0]}").model_copy(update={"pipelines_dir": folder})
        return [(c.status, c.detail) for c in examine(settings).checks if c.name == "pipelines"]

    folder = tmp_path / "mine"
    [(status, detail)] = found(folder)
    assert (status, detail.partition(";")[0]) == ("fail", f"{folder}: there is no such folder")
    folder.mkdir()
    (folder / "good.py").write_text("from headrace import task\n\nprint('loud')\n\n\n@task\ndef a():\n    pass\n")
    assert found(folder) == [("ok", f"the task a in {folder}")]
    assert capsys.readouterr().out == ""
    (folder / "bad.py").write_text("1 / 0\n")
    (folder / "worse.py").write_text("1 +\n")
    assert [(status, detail.split(":")[0]) for status, detail in found(folder)] == [
        ("fail", str(folder / "bad.py")),
        ("fail", str(folder / "worse.py")),
    ]


def test_the_pipelines_are_those_of_the_system_that_runs(tmp_path: Path) -> None:
    """Whatever the shell says that asks: what runs was started with a folder of its own."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "good.py").write_text("from headrace import task\n\n\n@task\ndef a():\n    pass\n")
    settings = settings_for(tmp_path, f"127.0.0.1:{free_ports(1)[0]}")
    settings = settings.model_copy(update={"pipelines_dir": tmp_path / "nowhere"})
    with only_one(tmp_path, theirs):
        assert by_name(examine(settings))["pipelines"].detail == f"the task a in {theirs}"
    assert by_name(examine(settings))["pipelines"].status == "fail"


def test_the_sandbox_is_tried_as_a_worker_tries_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a worker needs and does not find is named, with how to mend it."""
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "bwrap").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(bare))
    check = by_name(examine(settings_for(tmp_path, f"127.0.0.1:{free_ports(1)[0]}")))["sandbox"]
    assert check.status == "warn"
    assert check.detail == "no sandbox works on this worker: prlimit is not installed"
    assert "apt install bubblewrap" in check.mend


class Api(BaseHTTPRequestHandler):
    """An edge whose clock is apart by some seconds, and which takes its time for one of the paths."""

    apart, slow, letters = 0.0, "", ""

    def do_GET(self) -> None:
        """Answer with the time at which it was asked."""
        at = datetime.now(UTC) + timedelta(seconds=self.apart)
        time.sleep(2.5 * SKEW if self.path == self.slow else 0)
        self.send_response(200)
        self.end_headers()
        health = HealthView(status="ok", version="1", at=at).model_dump_json()
        known = {"/health": health, "/v1/dead-letters?limit=1000": f"[{self.letters}]"}
        self.wfile.write(known.get(self.path, "[]").encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(api: type[Api]) -> Iterator[int]:
    """An API at a port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_port_of_an_api_that_runs_without_up_is_not_foreign(tmp_path: Path) -> None:
    """As in a container; without its token it is somebody else's."""
    with serving(Api) as port:
        settings = Settings(home=tmp_path, kafka="kafka:9092", edge_port=port)
        assert [check.status for check in ports(settings) if check.name == f"port {port}"] == ["fail"]
        (tmp_path / "api-token").touch(0o600)
        (tmp_path / "api-token").write_text("t" * 32)
        assert [*ports(settings)] == []


@pytest.mark.parametrize(
    ("apart", "slow", "status"), [(0, "/health", "ok"), (0, "/v1/workers", "ok"), (9, "", "fail"), (-9, "", "fail")]
)
def test_a_slow_api_is_no_wrong_clock(tmp_path: Path, apart: float, slow: str, status: str) -> None:
    """Only a time outside of the question's own is another clock's; nobody sets clocks since something hangs."""
    checks = told_by(tmp_path, apart=apart, slow=slow)
    assert (checks[-1].name, checks[-1].status) == ("clock", status)


def told_by(home: Path, **api: Any) -> list[Check]:
    """What doctor says of such an API."""
    (home / "api-token").touch(0o600)
    (home / "api-token").write_text("t" * 32)
    with serving(type("Api", (Api,), api)) as port:
        nobody = f"127.0.0.1:{free_ports(1)[0]}"
        return [*edge(Settings(home=home, kafka=nobody, edge_port=port))]


def test_dead_letters_of_the_last_hour_are_a_warning(tmp_path: Path) -> None:
    """With their number and the newest reason, shortened; those of earlier, or none at all, are no word worth."""

    def letters(*ages: int) -> str:
        place = {"stage": "notify", "topic": "t", "partition": 0, "offset": 0, "first_bytes": ""}
        now, reasons = datetime.now(UTC), ["no task 'a'" + " long" * 100, "the one before"]
        made = [DeadLetterView(at=now - timedelta(minutes=age), reason=reasons[age > 1], **place) for age in ages]
        return ",".join(one.model_dump_json() for one in made)

    [check] = [one for one in told_by(tmp_path, letters=letters(1, 2, 59, 61)) if one.name == "dead letters"]
    assert check.status == "warn"
    assert check.detail.startswith("3 in the last hour; the newest: no task 'a' long")
    assert len(check.detail) < 200
    assert "headrace dead-letters" in check.mend
    assert "dead letters" not in {one.name for one in told_by(tmp_path, letters=letters(61))}


def test_topics_that_do_not_fit_the_settings_fail(tmp_path: Path, kafka: str) -> None:
    """Missing topics are a warning, right ones are fine, another number of partitions fails."""
    settings = settings_for(tmp_path, kafka)
    assert by_name(examine(settings))["topics"].status == "warn"
    ensure_topics(settings)
    try:
        assert by_name(examine(settings))["topics"].status == "ok"
        report = examine(settings.model_copy(update={"lanes": 7}))
        assert by_name(report)["topics"].status == "fail"
        assert not report.ok
    finally:
        with admin(kafka) as client:
            client.delete_topics(list(layout(settings)))


def test_brokers_that_are_missing_are_named(tmp_path: Path) -> None:
    """One of three that hangs or is killed is a warning, since all goes on; where two are gone, nothing is taken."""
    with three_brokers(tmp_path) as (nodes, cluster):
        settings = settings_for(tmp_path / "home", cluster).model_copy(update={"replication": 3})
        ensure_topics(settings)
        first = nodes[0].process
        assert first
        assert until_copies(settings, "") is None
        first.send_signal(signal.SIGSTOP)
        try:
            hung = until_copies(settings, "warn")
        finally:
            first.send_signal(signal.SIGCONT)
        assert hung
        assert hung.detail.endswith("have fewer copies than wanted: broker 1 is missing")
        assert "start broker 1 again (`kill -9` first where it hangs" in hung.mend
        assert until_copies(settings, "") is None
        nodes[0].kill()
        [killed] = [check for check in kafka_checks(settings) if check.name == "copies"]
        assert (killed.status, killed.detail) == ("warn", hung.detail)
        nodes[1].kill()
        [check] = [check for check in kafka_checks(settings) if check.name == "copies"]
        assert check.status == "fail"
        assert check.detail.endswith("take nothing, since too few brokers have them: brokers 1 and 2 are missing")


def until_copies(settings: Settings, status: str) -> Check | None:
    """What is said of the copies as soon as it has this status; none: nothing is said."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        said = next((check for check in kafka_checks(settings) if check.name == "copies"), None)
        if (said.status if said else "") == status:
            return said
        time.sleep(0.2)
    raise AssertionError(f"the copies did not become {status!r}")


def test_programs_get_json_and_nothing_else(tmp_path: Path, kafka: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The output is one JSON document, and the exit code says whether something fails."""
    code = show(settings_for(tmp_path, kafka), as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert code == (0 if report["ok"] else 1)
    assert {"name", "status", "detail", "mend"} == set(report["checks"][0])


def test_people_get_a_table(tmp_path: Path, kafka: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each check is a line with its mark."""
    show(settings_for(tmp_path, kafka), as_json=False)
    said = capsys.readouterr().out
    assert "✓ ok" in said
    assert "python" in said


def test_an_edge_that_ended_or_hangs_under_its_supervisor_is_no_reason_to_start_all(tmp_path: Path) -> None:
    """Which process hangs is named, since nobody else ends it; one that has ended is started again."""
    settings = settings_for(tmp_path, f"127.0.0.1:{free_ports(1)[0]}")
    (tmp_path / "api-token").write_text("t" * 32)
    (tmp_path / "api-token").chmod(0o600)
    with only_one(tmp_path):
        ended = by_name(examine(settings))["api"]
        with socket.create_server(("127.0.0.1", settings.edge_port)):
            hangs = by_name(examine(settings))["api"]
    assert (ended.status, hangs.status) == ("fail", "fail")
    assert f"{tmp_path}/logs/edge.log says why; it is started again" in ended.mend
    assert hangs.detail == f"process {os.getpid()} listens at {settings.edge_url}, and does not answer"
    assert f"`kill -9 {os.getpid()}`, and `up` starts it again" in hangs.mend
