from pathlib import Path

import pytest

from pipelines.loader import load_folder
from streams.local.example import contents, to_try

TASKS = "from headrace import task\n\n@task\ndef {}(payload):\n    return payload\n"
PIPELINE = "from headrace import Pipeline\n\npipeline = Pipeline('naps')\npipeline.sleep('nap', seconds=0)\n"


def test_what_was_loaded_is_named_and_can_be_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's tasks and pipelines are said by name, with a command for one of them as the person types it."""
    monkeypatch.setenv("HEADRACE_COMMAND", "./dev headrace")
    assert (contents(load_folder(tmp_path)), to_try(load_folder(tmp_path))) == ("nothing", "")
    (tmp_path / "one.py").write_text(TASKS.format("greet"))
    assert contents(load_folder(tmp_path)) == "the task greet"
    assert to_try(load_folder(tmp_path)) == """./dev headrace execute greet --payload '"World"' --wait"""
    (tmp_path / "two.py").write_text(TASKS.format("part"))
    (tmp_path / "three.py").write_text(PIPELINE)
    assert contents(load_folder(tmp_path)) == "the pipeline naps and the 2 tasks greet, part"


def test_what_waits_for_another_or_asks_for_nothing_is_no_obstacle(tmp_path: Path) -> None:
    """The command works as it stands: it names a task that waits for nothing."""
    (tmp_path / "one.py").write_text(
        "from headrace import task\n\n@task(upstream='first')\ndef last(first):\n    return first\n\n"
        "@task\ndef first():\n    return 1\n"
    )
    assert to_try(load_folder(tmp_path)) == "headrace execute first --wait"
