"""What `--help` says."""

import os
import subprocess
import sys

import pytest
from cyclopts import App

from ui.cli.app import COMMANDS, make_app

APP = make_app()
KINDS = ("external", "function", "http", "python", "shell", "sleep", "sql")


@pytest.mark.parametrize("words", [*((name,) for name in COMMANDS), *(("submit", kind) for kind in KINDS)])
def test_all_that_is_typed_is_explained(words: tuple[str, ...]) -> None:
    """Every command has its help, and so has each of its arguments and options."""
    command: App = APP
    for word in words:
        command = command[word]
    assert command.help
    assert "The command `" not in command.help
    shown = command.assemble_argument_collection(parse_docstring=True).filter_by(show=True)
    assert [one.name for one in shown if not one.parameter.help] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up", "extra"], "'extra' is too much here; `./dev up --help` says what can be given"),
        (["delete", "greet", "extra"], "`./dev headrace delete --help`"),
        (["bench", "latncy"], "`./dev bench --help` says what can be given; did you mean latency?"),
    ],
)
def test_a_word_too_many_is_named(words: list[str], said: str) -> None:
    """In our words, with the command whose help says what can be given."""
    env = {**os.environ, "HEADRACE_COMMAND": "./dev headrace", "COLUMNS": "200"}
    line = [sys.executable, "-m", "headrace", *words]
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Tokens" not in done.stderr


def test_the_list_of_commands_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each command the first paragraph; the rest is told by its own help."""
    APP.help_print([])
    listed = capsys.readouterr().out
    APP.help_print(["retry"])
    own = " ".join(capsys.readouterr().out.split())
    text = "headrace retry --state failed --since 1h"
    assert (text in " ".join(listed.split()), text in own) == (False, True)


@pytest.mark.parametrize(
    ("words", "example"),
    [(["retry"], "retry --state failed --since 1h"), (["submit", "shell"], "submit shell 'echo hi'")],
)
def test_examples_are_as_people_type_them(words: list[str], example: str) -> None:
    """Whoever came by ./dev has no `headrace`."""
    line = [sys.executable, "-m", "headrace", *words, "--help"]
    env = {**os.environ, "HEADRACE_COMMAND": "./dev headrace", "COLUMNS": "200"}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert f"./dev headrace {example}" in done.stdout
