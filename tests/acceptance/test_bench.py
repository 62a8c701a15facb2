"""Each measurement once, as small as it can be: what it prints, and that every execution counts. Never how fast."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.bench import load, run
from streams.bench.system import System
from tests.apps.whole import Whole, whole
from ui.client import ApiError, Client

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Whole, Client]]:
    """A running system, which a measurement takes where it is told to."""
    with whole(tmp_path_factory.mktemp("bench")) as (system, client):
        yield system, client


def _bench(*words: str, **settings: object) -> Any:
    """What `headrace bench ... -o json` prints."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    env |= {f"HEADRACE_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "headrace", "bench", *words, "-o", "json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _there(system: Whole) -> dict[str, object]:
    return {"home": system.settings.home, "kafka": system.settings.kafka, "edge_url": system.settings.edge_url}


def test_without_a_subcommand_it_measures_the_short_set(up: tuple[Whole, Client]) -> None:
    """Throughput, chain and latency, each run whole, and the spread of both runs."""
    found = _bench("--running", "--executions", "200", "--runs", "2", **_there(up[0]))
    assert [{name: one["rows_in_history"] for name, one in each.items()} for each in found["runs"]] == [
        {"throughput": 200, "chain": 100, "latency": 10}
    ] * 2
    assert found["spread"]["latency"]["latency_ms.p50"].keys() == {"min", "median", "max"}


@pytest.mark.parametrize("words", [["--by", "events"], ["--per-task", "10"], ["--rate", "2000"]])
def test_throughput_counts_every_execution_however_it_was_submitted(up: tuple[Whole, Client], words: list[str]) -> None:
    """As events from a stock client, as tasks that are created once and executed ten times, and at a rate."""
    found = _bench("throughput", "--running", "--executions", "300", *words, **_there(up[0]))
    assert found["executions"] == found["rows_in_history"] == 300


def test_what_stays_in_a_running_system_can_be_told_from_the_rest(up: tuple[Whole, Client]) -> None:
    """All of it is of the owner `bench`, and tasks that were created for it are deleted."""
    system, client = up
    _bench("throughput", "--running", "--executions", "20", "--per-task", "2", **_there(system))
    assert client.sql("SELECT DISTINCT owner FROM executions").rows == (("bench",),)
    with pytest.raises(ApiError, match="does not exist"):
        client.execute("bench-0")


def test_nothing_is_sent_to_a_running_system_unasked(up: tuple[Whole, Client]) -> None:
    """One of its own is measured and removed: the history of what runs has not one row more."""
    system, client = up
    before = client.sql("SELECT count() FROM executions").rows
    found = _bench("throughput", "--executions", "20", **_there(system))
    assert found["rows_in_history"] == 20
    assert all(found["disk_bytes_each"][store] > 0 for store in ("kafka", "all"))
    assert client.sql("SELECT count() FROM executions").rows == before


def test_latency_at_a_share_of_the_throughput(up: tuple[Whole, Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate follows from what was measured just before."""
    monkeypatch.setattr(run, "SECONDS", 0.5)
    found = run.at_share(System(up[0].settings, up[1]), 0.1, 200)
    assert found["rate"] == pytest.approx(found["throughput_before"] * 0.1, abs=1)
    assert found["executions"] == found["rows_in_history"]


def test_a_paced_load_is_submitted_in_groups(up: tuple[Whole, Client]) -> None:
    """All of them, the last group being smaller."""
    found = run.once(System(up[0].settings, up[1]), load.paced(25, 100.0, 0.1))
    assert found["rows_in_history"] == 25


def test_i5_a_critical_one_is_measured_in_a_backlog(tmp_path: Path) -> None:
    """The log says that none of a lower priority was given away while it stood in line."""
    found = _bench("priority", "--backlog", "800", "--nap", "0.1", "--repeats", "3", home=tmp_path)
    assert found["critical"] == 3
    assert found["left_in_line"] > 0
    assert found["low_dispatched_while_it_was_in_line"]["max"] == 0


def test_a_load_is_measured_beside_a_backlog(tmp_path: Path) -> None:
    """With nothing waiting, with some due later, and with a line as well; each beside an empty system."""
    found = _bench("backlog", "--size", "300", "--due", "100", "--executions", "200", "--repeats", "1", home=tmp_path)
    assert list(found["stages"]) == ["nothing", "100 due later", "300 waiting"]
    assert all(stage["ratio"] > 0 for stage in found["stages"].values())
    assert all(stage["memory"]["scheduler"]["pss_mb"] > 0 for stage in found["stages"].values())


def test_a_load_is_measured_while_as_much_is_forgotten(tmp_path: Path) -> None:
    """Each system by its own processes; the measurement itself makes sure that something was forgotten."""
    found = _bench("steady", "--executions", "3000", "--repeats", "1", home=tmp_path)
    assert found["ratio"] > 0
    assert found["cpu_seconds_per_1000"][0] > 0 < found["cpu_seconds_per_1000_in_the_other_one"][0]


def test_many_run_at_once_through_restarts_and_all_end(tmp_path: Path) -> None:
    """External ones and sleeps, each with one row in the end, whatever became of the scheduler meanwhile."""
    found = _bench("running", "--size", "200", home=tmp_path)
    assert found["running_at_once"] == found["rows_in_history"] == found["executions_in_history"] == 200
    assert found["restart"]["standby"]["partitions"]
    assert found["bytes_each_at_the_end"]["all"] > 0
    assert [line["started"] for line in found["way_up"]] == sorted(line["started"] for line in found["way_up"])


def test_a_profile_names_roles_and_threads(tmp_path: Path) -> None:
    """Every role has a sum, and its main thread a share of it."""
    found = _bench("profile", "--executions", "500", home=tmp_path)
    assert set(found["us_each"]) == {"client", "kafka", "scheduler", "edge", "worker"}
    assert 0 < found["us_each"]["scheduler"]["main thread"] <= found["us_each"]["scheduler"]["all"]
