"""docs/settings.md: it has each setting with its default, and none that does not exist."""

from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from streams.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()


def shown(default: Any) -> str:
    """A default as the page has it."""
    if default is None or default is PydanticUndefined or default == "":
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:.12g}`"
    return f"`{str(default).replace(str(Path.home()), '~')}`"


def test_each_setting_is_there_with_its_default() -> None:
    """Whoever looks one up finds its name and what holds without it."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `HEADRACE_")]
    fields = Settings.model_fields.items()
    assert [(name, default) for name, default, _ in rows] == [
        (f"`HEADRACE_{name.upper()}`", shown(field.default)) for name, field in fields
    ]


def test_the_address_of_the_api_follows_from_its_port() -> None:
    """Whoever sets the port alone reaches it too."""
    assert Settings(edge_port=9_000).edge_url == "http://127.0.0.1:9000"
    assert Settings(edge_port=9_000, edge_url="http://edge").edge_url == "http://edge"
