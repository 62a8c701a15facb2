"""Wrong and misspelt settings: one line for whoever set them, whatever the command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.settings import SettingsError, read_settings, settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the command is called; nothing was read before."""
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.mark.parametrize(
    "command",
    ["headrace up", "headrace doctor", "headrace list", "headrace worker", "streams.state.reset inputs tasks"],
)
def test_a_wrong_value_is_one_line_and_wrong_usage(command: str) -> None:
    """Which setting, and what came, from whichever command; what follows from it is not told as well."""
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=ROOT,
        env=os.environ | {"HEADRACE_EDGE_PORT": "many"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("headrace: the setting edge_port (HEADRACE_EDGE_PORT): ")
    assert done.stderr.endswith("(got 'many')\n")
    assert done.stderr.count("\n") == 1
    assert "edge_url" not in done.stderr


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("session_timeout", ["0", "0.9", "nan", "inf", "1801"]),
        ("lease", ["0.9", "0", "-1", "nan", "inf", "3601"]),
        ("keep_finished", ["0", "inf", "nan", "1e10"]),
        ("remember_done", ["-1", "inf", "nan", "1e10"]),
        ("history_days", ["-5", "0", "18251"]),
        ("pool", ["my pool", "", "-a"]),
        ("lookahead", ["nan"]),
        ("drain_timeout", ["-1", "nan", "inf"]),
        ("memory_limit_mb", ["0", "-1", "2000000"]),
        ("output_limit", ["-1", "1e18"]),
        ("result_limit", ["0", "1048577"]),
        ("notify_delay", ["0", "-1", "nan", "61"]),
        ("notify_timeout", ["0", "nan", "inf"]),
    ],
)
def test_a_value_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, values: list[str]) -> None:
    """Instead of a worker that idles, a role that ends again and again, or a result that goes nowhere."""
    for value in values:
        monkeypatch.setenv(f"HEADRACE_{name.upper()}", value)
        with pytest.raises(SettingsError, match=rf"^the setting {name} \(HEADRACE_{name.upper()}\): "):
            read_settings()


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://u:s3{sign}cret@house:8123/default" for sign in "/#?["),
        *(f"http://u:33{sign}cret@house:8123" for sign in "/#?"),  # the beginning could be a port
        "house:8123",
        "localhost:8123/s3cret",
        "http://",
        "http://u:s3cret@house:port",
        "http://u:s3cret@house:99999",
        "tcp://u:s3cret@house:9000",
        "",
    ],
)
def test_an_address_of_clickhouse_that_cannot_be_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Nothing of the password is in the line, which says what to do about it."""
    monkeypatch.setenv("HEADRACE_CLICKHOUSE", url)
    with pytest.raises(SettingsError, match=r"HEADRACE_CLICKHOUSE.*percent-encode the password") as told:
        read_settings()
    assert "cret" not in str(told.value)
    assert "got" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "chdb",
        "http://house",
        "https://u:s3%2Fcret@house:8443/default?verify=false",
        "http://u:a@b@house:8123",
        "http://[::1]:8123",
    ],
)
def test_an_address_of_clickhouse_that_can_be_is_taken(url: str) -> None:
    """As it is: who opens the connection decodes it."""
    assert read_settings(clickhouse=url).clickhouse == url


def test_a_tilde_is_the_same_folder_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each path; nobody's home is no path."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("home", "pipelines_dir", "token_file"):
        monkeypatch.setenv(f"HEADRACE_{name.upper()}", f"~/{name}")
        assert getattr(read_settings(), name) == tmp_path / name
    monkeypatch.setenv("HEADRACE_HOME", "~nobody-of-this-name/x")
    with pytest.raises(SettingsError, match=r"HEADRACE_HOME.*home directory"):
        read_settings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bad toml [", "headrace.toml cannot be read: "),
        ("slotz = 3", "there is no setting 'slotz'; did you mean slots?"),
        ("HEADRACE_SLOTS = 3", "there is no setting 'HEADRACE_SLOTS'; did you mean slots?"),
        ("SLOTS = 3", "there is no setting 'SLOTS'; did you mean slots?"),
        ("nonsense = 3", "there is no setting 'nonsense'$"),
        ("slots = 'x'", "the setting slots "),
    ],
)
def test_a_wrong_line_of_the_file_is_refused(folder: Path, text: str, told: str) -> None:
    """A file that is none, a key that is none, a value that cannot be."""
    (folder / "headrace.toml").write_text(text)
    with pytest.raises(SettingsError, match=told.replace("?", r"\?")):
        read_settings()


def test_an_env_file_that_is_no_text_is_said(folder: Path) -> None:
    """Not as a traceback."""
    (folder / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        read_settings()


def test_a_variable_that_nobody_reads_is_warned_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the environment and in .env, once; what others read is left alone."""
    monkeypatch.setenv("HEADRACE_SLOT", "4")
    monkeypatch.setenv("HEADRACE_COMMAND", "./dev headrace")
    monkeypatch.setenv("HEADRACE_SERVICE_HOST", "10.0.0.1")  # as Kubernetes sets it
    monkeypatch.setenv("HEADRACE_PORT_8090_TCP", "tcp://10.0.0.1:8090")
    (folder / ".env").write_text("HEADRACE_LEESE=3\nOTHERS=1\n")
    assert settings() is settings()
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "headrace: HEADRACE_LEESE is no setting, and is ignored; did you mean HEADRACE_LEASE?",
        "headrace: HEADRACE_SLOT is no setting, and is ignored; did you mean HEADRACE_SLOTS?",
    ]
