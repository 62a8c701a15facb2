"""How commands are named to people."""

import pytest

from pipelines.command import command


def test_a_command_is_named_as_it_is_typed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who came by `./dev` types that, and its own commands without the second word."""
    assert (command("up"), command("show 1")) == ("headrace up", "headrace show 1")
    monkeypatch.setenv("HEADRACE_COMMAND", "./dev headrace")
    assert (command("up"), command("doctor")) == ("./dev up", "./dev doctor")
    assert (command("show 1"), command("update")) == ("./dev headrace show 1", "./dev headrace update")
