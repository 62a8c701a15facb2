from pathlib import Path

import pytest

from ui.cli.documents import events_of, read_json
from ui.cli.exits import UsageError


def test_a_file_without_json_is_named_as_it_was_typed(tmp_path: Path) -> None:
    """With what is wrong in it; how to quote a text is told to whoever wrote JSON on the command line alone."""
    (tmp_path / "b.json").write_text('{"id": ')
    path = str(tmp_path / "b.json")
    for read in (lambda: events_of(path, "create"), lambda: read_json(f"@{path}")):
        with pytest.raises(UsageError) as error:
            read()
        assert str(error.value) == f"'{path}' holds no JSON: Expecting value: line 1 column 8 (char 7)"
    with pytest.raises(UsageError, match="a text needs quotes of its own"):
        read_json("text")
