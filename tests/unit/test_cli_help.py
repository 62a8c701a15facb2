"""What `--help` says."""

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
    assert command.help or command.default_command.__doc__
    shown = command.assemble_argument_collection(parse_docstring=True).filter_by(show=True)
    assert [one.name for one in shown if not one.parameter.help] == []


def test_the_list_of_commands_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each command the first paragraph; the rest is told by its own help."""
    APP.help_print([])
    listed = capsys.readouterr().out
    APP.help_print(["retry"])
    own = " ".join(capsys.readouterr().out.split())
    text = "headrace retry --state failed --since 1h"
    assert (text in " ".join(listed.split()), text in own) == (False, True)
