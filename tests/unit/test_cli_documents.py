from pathlib import Path

import pytest

from pipelines.events import SubmitEvent
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


def _submitted(path: Path, run: str | None = None) -> list[tuple[str, str | None]]:
    events = events_of(str(path), "submit", run)
    return [(event.task.id, event.run) for event in events if isinstance(event, SubmitEvent)]


TASK = '{"id": "%s", "kind": "shell", "command": "true"}'


def test_one_object_a_line_is_taken_as_other_clients_of_kafka_take_it(tmp_path: Path) -> None:
    """Tasks and events, with empty lines between them; over several lines a file is one value as ever."""
    path = tmp_path / "events.jsonl"
    path.write_text(f'{TASK % "a"}\n\n{{"type": "submit", "run": "r", "task": {TASK % "b"}}}\n')
    assert _submitted(path) == [("a", None), ("b", "r")]
    assert _submitted(path, "monday") == [("a", "monday"), ("b", "r")]
    path.write_text(f'{{"type": "submit", "task": {TASK % "a"}}}')
    assert _submitted(path, "monday") == [("a", "monday")]
    with pytest.raises(UsageError, match=r"^--run 'a.*nb': "):
        events_of(str(path), "submit", "a\nb")
    odd = (TASK % "a").replace("true", "echo \u2028\u0085")  # line ends to Unicode, and not to JSON
    path.write_text(f"{odd}\n{TASK % 'b'}", encoding="utf-8")
    assert _submitted(path) == [("a", None), ("b", None)]
    path.write_text(f"[\n{TASK % 'a'},\n{TASK % 'b'}\n]")
    assert _submitted(path) == [("a", None), ("b", None)]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"{TASK % 'a'}\n{TASK % 'b'},\n", "line 2 of '%s' holds no JSON: "),
        (f"{TASK % 'a'}\n\n{{}}\n", "line 3 of '%s': "),
        (f"[{TASK % 'a'}, {{}}]", "entry 2 of '%s': "),
        ("{}", "'%s': "),
    ],
    ids=["no JSON", "line", "entry", "alone"],
)
def test_which_of_many_is_wrong_is_named(text: str, where: str, tmp_path: Path) -> None:
    """Nothing is sent then: whoever mends it sends all of it once."""
    path = tmp_path / "events"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        events_of(str(path), "submit")
    assert str(error.value).startswith(where % path)
