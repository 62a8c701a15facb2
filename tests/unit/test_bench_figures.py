import json
import threading
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.bench import commands, load, measure, run, show, usage
from streams.bench.system import System, system
from streams.local.errors import SetupError
from streams.local.ports import free_ports
from streams.settings import Settings
from ui.client import Client


def test_one_run_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON output is the figures, and nothing else."""
    show.figures([{"executions": 3}], "json")
    assert json.loads(capsys.readouterr().out) == {"executions": 3}


def test_a_table_in_itself_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It was said as it came; lists of numbers are figures."""
    show.figures([{"rates": [1, 2], "none": [], "way_up": [{"started": 1}]}], "table")
    assert capsys.readouterr().out.split() == ["rates", "1,", "2", "none"]


def test_several_runs_have_their_spread(capsys: pytest.CaptureFixture[str]) -> None:
    """Least, median and most of each number, those inside another figure too."""
    runs = [{"rate": rate, "cpu": {"edge": rate / 10}, "machine": {"cores": 2}} for rate in (30, 10, 20)]
    show.figures(runs, "json")
    spread = json.loads(capsys.readouterr().out)["spread"]
    assert spread["rate"] == {"min": 10, "median": 20, "max": 30}
    assert spread["cpu.edge"] == {"min": 1.0, "median": 2.0, "max": 3.0}
    assert set(spread) == {"rate", "cpu.edge"}


@pytest.mark.parametrize(("seconds", "told"), [(2.1, True), (31.0, False)])
def test_a_short_measurement_says_so(capsys: pytest.CaptureFixture[str], seconds: float, *, told: bool) -> None:
    """Its rate says more of fixed waits than of the system."""
    show.figures([{"seconds": seconds, "executions_per_second": 240}], "table")
    assert ("try more --executions" in capsys.readouterr().out) is told


def test_several_runs_are_shown_in_the_words_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    """And the table says what a task is."""
    runs = [{"task": load.TASK, "cpu_seconds_per_1000": {"edge": cpu}, "seconds": 9.0} for cpu in (0.1, 0.2)]
    show.figures(runs, "table")
    several = capsys.readouterr().out
    show.figures(runs[:1], "table")
    one = capsys.readouterr().out
    for name in ("cpu seconds per 1000", load.TASK):
        assert name in several
        assert name in one
    assert "cpu seconds per 1000, edge" in several


def test_each_load_of_a_set_begins_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one leaves behind is not done at the expense of the next."""
    done: list[str] = []
    monkeypatch.setattr(measure, "until_quiet", lambda *_: bool(done.append("rest") or True))
    monkeypatch.setattr(run, "once", lambda _, measured: {"executions": done.append(measured.executions)})
    with Client("http://127.0.0.1:9", "t") as client:
        run._all_of(System(Settings(), client), {"a": load.throughput(1), "b": load.throughput(2)})
    assert done == ["rest", 1, "rest", 2]


def test_a_running_system_is_asked_for_where_there_is_none(tmp_path: Path) -> None:
    """It is no reason to start another one: whoever asks means one that holds something."""
    [nobody] = free_ports(1)
    with (
        pytest.raises(SetupError, match="nothing does at"),
        system(Settings(home=tmp_path, edge_port=nobody), own=False),
    ):
        pass


def test_a_bar_is_as_long_as_its_share() -> None:
    """The longest fills the column; nothing is no bar."""
    assert show.bar(10, 10) == "█" * show.WIDTH
    assert show.bar(5, 10) == "█" * (show.WIDTH // 2)
    assert show.bar(0, 10) == show.bar(0, 0) == ""


def test_an_event_says_what_its_task_says() -> None:
    """The same executions, as anyone may send them."""
    (task,), (event,) = load.tasks(1), load.events("run", 1)
    said = json.loads(event)
    assert (said["type"], said["run"], said["task"]["id"], said["task"]["priority"]) == ("submit", "run", task.id, 0)
    assert len(json.dumps(said["task"]["payload"])) == load.PAYLOAD


def test_what_was_merged_into_another_part_is_not_counted(tmp_path: Path) -> None:
    """ClickHouse keeps merged parts for some minutes: they are no part of what an execution takes."""
    table = tmp_path / "clickhouse" / "store" / "abc" / "table"
    for name in ("20261123_1_1_0", "20261123_2_2_0", "20261123_1_2_1", "20261130_1_1_0"):
        (table / name).mkdir(parents=True)
        (table / name / "data.bin").write_bytes(b"x" * 100_000)
    whole = usage._size(tmp_path / "clickhouse")
    one = usage._size(table / "20261123_1_1_0")
    assert whole == 4 * one
    assert usage._clickhouse(tmp_path / "clickhouse") == 2 * one


def test_parts_that_go_while_they_are_looked_at_are_passed_over(tmp_path: Path) -> None:
    """ClickHouse merges all the time."""
    stop = threading.Event()

    def merge() -> None:
        while not stop.is_set():
            for n in range(20):
                (tmp_path / f"tmp_merge_{n}").mkdir()
            for n in range(20):
                (tmp_path / f"tmp_merge_{n}").rmdir()

    merging = threading.Thread(target=merge)
    merging.start()
    try:
        assert [usage._size(tmp_path) for _ in range(500)] == [0] * 500
    finally:
        stop.set()
        merging.join()


def test_a_broker_that_is_gone_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """And the status of what is unavailable."""
    with pytest.raises(SystemExit) as ended, run.explained():
        raise KafkaConnectionError("no broker")
    assert ended.value.code == 5
    assert "Kafka does not answer any more: KafkaConnectionError: no broker" in capsys.readouterr().err


def test_what_is_sent_is_counted_as_it_leaves() -> None:
    """The bar moves while they go, and ends full."""
    heard: list[int] = []
    assert list(load.counted(range(load.CHUNK + 5), heard.append)) == list(range(load.CHUNK + 5))
    assert heard == [load.CHUNK, load.CHUNK + 5]


@pytest.mark.parametrize(
    "words",
    [
        ["--by", "events", "--per-task", "2"],
        ["--per-task", "2", "--rate", "100"],
        ["--executions", "5", "--per-task", "10"],
    ],
)
def test_what_does_not_fit_together_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started, with a sentence and the status of wrong usage."""
    with pytest.raises(SystemExit) as ended:
        commands.app(["throughput", *words])
    assert ended.value.code == 2
    assert "--per-task" in capsys.readouterr().err
