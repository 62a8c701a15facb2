"""docs/settings.md: it has each setting with its default, and none that does not exist."""

from pathlib import Path
from typing import Any

from streams.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()


def shown(default: Any) -> str:
    """A default as the page has it."""
    if default is None or default == "":
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
