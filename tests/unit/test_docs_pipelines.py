"""docs/pipelines.md: its examples work, and it names every option."""

import json
import re
from pathlib import Path

import pytest

from pipelines.dsl import Options
from pipelines.events import PUBLIC_EVENT
from pipelines.loader import load_folder
from pipelines.model import Trigger
from pipelines.schema import event_schema

PAGE = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text()


def blocks(language: str) -> list[str]:
    """What stands in the page's blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


EVENTS = [line for block in blocks("json") for line in block.splitlines()]


@pytest.mark.parametrize("line", EVENTS)
def test_each_event_is_one(line: str) -> None:
    """A line that somebody copies into a Kafka client is accepted."""
    assert PUBLIC_EVENT.validate_json(line).type == json.loads(line)["type"]


def test_every_type_of_event_is_shown() -> None:
    """The page has one of each."""
    assert {json.loads(line)["type"] for line in EVENTS} == set(event_schema()["discriminator"]["mapping"])


def test_the_example_is_a_pipeline(tmp_path: Path) -> None:
    """Whoever copies the example has the three tasks that the text speaks of."""
    source, _ = blocks("python")
    (tmp_path / "orders.py").write_text(source)
    [pipeline] = load_folder(tmp_path).pipelines.values()
    assert list(pipeline.tasks) == ["orders.load", "orders.total", "orders.tell"]


def test_every_option_trigger_and_kind_is_named() -> None:
    """Nothing that a task may say is missing."""
    kinds = event_schema()["$defs"]["SubmitEvent"]["properties"]["task"]["discriminator"]["mapping"]
    names = {*Options.__annotations__, *Trigger, *kinds}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []
