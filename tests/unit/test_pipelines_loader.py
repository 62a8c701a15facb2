import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pipelines.events import CreateEvent
from pipelines.loader import Registry, load_folder

GOOD = """
from pipelines.dsl import Pipeline, task
from .helpers import double

pipeline = Pipeline("good")

@pipeline.task()
def load(payload):
    return double(payload)

@task(id="lone")
def lone():
    return "lone"
"""


def write(folder: Path, **files: str) -> Registry:
    """A folder with these files, loaded."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(dedent(text))
    return load_folder(folder)


def test_a_folder_is_loaded(tmp_path: Path) -> None:
    """Functions by name, pipelines and lone tasks by id; files of one folder may import each other."""
    registry = write(tmp_path, good=GOOD, helpers="def double(value): return 2 * value")
    assert registry.errors == []
    assert registry.functions["good.load"](3) == 6
    assert set(registry.functions) == {"good.load", "lone"}
    assert (list(registry.pipelines), list(registry.tasks)) == (["good"], ["lone"])


def test_what_was_loaded_can_be_submitted(tmp_path: Path) -> None:
    """As `create` events: one for each pipeline and for each lone task."""
    events = write(tmp_path, good=GOOD, helpers="def double(value): return 2 * value").events()
    assert [CreateEvent.model_validate_json(e.model_dump_json()) for e in events] == events
    assert [e.pipeline.id if e.pipeline else e.task and e.task.id for e in events] == ["good", "lone"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = 1\ndef (:\n", 2, "not Python"),
        ("\n\n1 / 0\n", 3, "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", 1, "SystemExit: 3"),
        ("import nowhere_to_be_found", 1, "No module named 'nowhere_to_be_found'"),
        ("from helpers import double", 1, "import it by `from .helpers import ...`"),
        ("from pipelines.helpers import x", 1, "means Headrace's own package 'pipelines', which has no 'helpers'"),
        ("from pipelines.dsl import Pipeline\nPipeline('p').sleep('a', 1, priority=12)", 2, "priority 12"),
        ("from pipelines.dsl import Pipeline\np = Pipeline('p')\np.sleep('a', 1, upstream='b')", 2, "waits for 'p.b'"),
        ("from pipelines.dsl import Pipeline\n\nPipeline('empty')", 3, "has no tasks"),
        ("from pipelines.dsl import Pipeline\n\nPipeline('good').sleep('a', 1)", 3, "'good' already, at .*good.py:5"),
        ("from pipelines.dsl import task\n\ntask(id='lone')(lambda: 1)", 3, "task 'lone' already, at .*good.py:11"),
    ],
)
def test_a_broken_file_is_explained_and_stops_no_other(tmp_path: Path, text: str, line: int, words: str) -> None:
    """File, line and a sentence; the others are loaded."""
    registry = write(tmp_path, zbad=text, good=GOOD, helpers="def double(value): return 2 * value")
    assert list(registry.pipelines) == ["good"]
    [error] = registry.errors
    assert (error.file.name, error.line) == ("zbad.py", line)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(str(error))


def test_a_file_that_breaks_half_way_leaves_nothing(tmp_path: Path) -> None:
    """Half a pipeline is worse than none."""
    text = "from pipelines.dsl import Pipeline\np = Pipeline('half')\np.sleep('a', 1)\n1 / 0"
    registry = write(tmp_path, half=text)
    assert (registry.pipelines, registry.functions, len(registry.errors)) == ({}, {}, 1)


def test_names_of_ours_do_not_clash(tmp_path: Path) -> None:
    """Files called like our packages are loaded under private names, and ours stay what they are."""
    ours = {name: sys.modules.get(name) for name in ("pipelines", "streams", "ui")}
    text = "from pipelines.dsl import Pipeline\nPipeline(__name__.rpartition('.')[2]).sleep('a', 1)"
    registry = write(tmp_path, pipelines=text, streams=text, ui=text)
    assert (registry.errors, list(registry.pipelines)) == ([], ["pipelines", "streams", "ui"])
    assert {name: sys.modules.get(name) for name in ours} == ours


def test_two_folders_do_not_meet(tmp_path: Path) -> None:
    """Files of one name in two folders are two modules."""
    registries = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        text = f"from pipelines.dsl import task\n@task\ndef same(): return {name!r}"
        registries.append(write(tmp_path / name, same=text))
    assert [r.functions["same"]() for r in registries] == ["one", "two"]


def test_loading_again_sees_what_changed(tmp_path: Path) -> None:
    """A folder is loaded afresh, not from memory."""
    for value in ("first", "a second, longer one"):
        registry = write(tmp_path, same=f"from pipelines.dsl import task\n@task\ndef same(): return {value!r}")
        assert registry.functions["same"]() == value


def test_underscored_and_badly_named_files(tmp_path: Path) -> None:
    """The first are helpers; the second are explained."""
    (tmp_path / "not-a-module.py").write_text("")
    registry = write(tmp_path, _helper="1 / 0", __init__="1 / 0")
    assert [e.sentence for e in registry.errors] == [
        "'not-a-module' is no name for a Python module; use letters, digits and underscores"
    ]


def test_a_missing_folder_is_an_error_not_a_crash(tmp_path: Path) -> None:
    """It says what to do."""
    [error] = load_folder(tmp_path / "nowhere").errors
    assert "there is no such folder" in str(error)
