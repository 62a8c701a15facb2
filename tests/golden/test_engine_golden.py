"""What is stored and sent today can be read tomorrow.

v1.json holds the bytes of `samples.py` as they were first written. A file here is never edited: where a struct gains a
field (at its end, with a default), the old file still has to be read, and a new version is added beside it by
`python tests/golden/make.py vN`.
"""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from pipelines.ids import execution_id
from streams.engine import commands, events
from streams.engine.line import place_of
from streams.stages.derived import derive, worker_key
from streams.stages.lines import place_key
from streams.stages.past import end_row
from streams.stages.timers import timer_key

HERE = Path(__file__).parent
VERSIONS = sorted(HERE.glob("v*.json"), key=lambda path: int(path.stem[1:]))


def _samples() -> tuple[msgspec.Struct, ...]:
    spec = spec_from_file_location("samples", HERE / "samples.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(module.SAMPLES)


SAMPLES = {type(sample).__name__: sample for sample in _samples()}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.stem)
def test_i6_old_bytes_are_read_as_what_they_meant(version: Path) -> None:
    """Each version of each struct gives an object equal to today's, but for fields that it did not have."""
    known = json.loads(version.read_text())
    for name, golden in known.items():
        sample = SAMPLES[name]
        read = msgspec.msgpack.decode(bytes.fromhex(golden["msgpack"]), type=type(sample))
        for field in golden["fields"]:
            assert _as_of(known, getattr(read, field)) == _as_of(known, getattr(sample, field)), f"{name}.{field}"


def _as_of(known: dict[str, Any], value: object) -> object:
    """A value; a struct in it without the fields that it did not have in that version."""
    if not isinstance(value, msgspec.Struct) or type(value).__name__ not in known:
        return value
    fields = known[type(value).__name__]["fields"]
    return [_as_of(known, getattr(value, field)) for field in fields]


def test_the_newest_version_is_what_is_written_now() -> None:
    """Whoever changes what is stored adds a version, so that nobody changes it unawares."""
    newest = json.loads(VERSIONS[-1].read_text())
    written = {name: msgspec.msgpack.encode(sample).hex() for name, sample in SAMPLES.items()}
    assert {name: golden["msgpack"] for name, golden in newest.items()} == written


def test_nothing_that_travels_is_forgotten() -> None:
    """Every command, event and message to a worker has its sample."""
    unions = (
        commands.TaskCommand,
        commands.ReadyCommand,
        commands.LaneMessage,
        commands.WorkerMessage,
        events.Event,
        events.RecordedEvent,
    )
    travelling = {kind.__name__ for union in unions for kind in get_args(union)}
    assert travelling <= set(SAMPLES)


def test_a_sample_leaves_no_field_at_its_default() -> None:
    """A field that is read wrongly must be seen."""
    for name, sample in SAMPLES.items():
        for field in msgspec.structs.fields(sample):
            assert getattr(sample, field.name) != field.default, f"{name}.{field.name}"


def test_i6_keys_are_made_as_they_were() -> None:
    """A table that was filled before is still in the same order, and its derived keys are still found.

    Where these must change, so must the layout of what is derived.
    """
    ended = SAMPLES["Execution"]
    running = msgspec.structs.replace(ended, state="running")
    waiting = msgspec.structs.replace(ended, state="waiting")
    made = {
        "place": place_of(SAMPLES["Ready"]),
        "timer": timer_key(running),
        "end": b"".join(end_row(ended)),
        "line": place_key(waiting),
        "worker": worker_key(running),
        "execution": execution_id("etl.load", "r", 1),
    }
    known = [json.loads((HERE / f"keys-{version}.json").read_text()) for version in ("v1", "v2")]
    assert {name: key.hex() for name, key in made.items()} == known[0] | known[1]


def test_i6_other_derived_keys_have_another_layout() -> None:
    """By which a folder is known that has the keys of before: with this one it has these."""
    now = derive(alone=True)
    assert (now.layout, now.derived) == (3, b"DWEFq")
