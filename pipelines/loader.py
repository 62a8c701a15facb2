"""Loading a folder of pipeline files, by path: nothing of it is ever found under a name of ours, nor ours under its."""

import importlib
import importlib.util
import sys
import traceback
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from pipelines.calling import Function
from pipelines.dsl import Collected, DefinedTask, Pipeline, collecting
from pipelines.events import CreateEvent

OURS = ("pipelines", "streams", "sinks", "ui", "headrace")
"""The top-level names that this package takes; a user's folder may have them, an import means ours."""


@dataclass(frozen=True, slots=True)
class LoadError:
    """Why a file was not loaded. `line` is 0 where no line is to blame."""

    file: Path
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}" if self.line else f"{self.file}: {self.sentence}"


@dataclass(slots=True)
class Registry:
    """What a folder defines: functions by name, pipelines by id, tasks outside pipelines by id, and what went wrong."""

    functions: dict[str, Function] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    tasks: dict[str, DefinedTask] = field(default_factory=dict)
    errors: list[LoadError] = field(default_factory=list)

    def events(self) -> list[CreateEvent]:
        """The events that make all of it known to the scheduler."""
        pipelines = [CreateEvent(pipeline=p.model()) for p in self.pipelines.values()]
        return pipelines + [CreateEvent(task=t.model) for t in self.tasks.values()]


def load_folder(folder: Path | str) -> Registry:
    """Load every *.py of a folder, in the order of their names; a file that fails is an entry of `errors`.

    The folder becomes a private package, so its files see each other by `from .other import thing`, and two folders
    never meet. Files whose names start with an underscore are loaded only when another one imports them.
    """
    folder = Path(folder).expanduser().resolve()
    registry = Registry()
    if not folder.is_dir():
        registry.errors.append(LoadError(folder, 0, "there is no such folder; make it, or name another pipelines_dir"))
        return registry
    package = _private_package(folder)
    for path in sorted(folder.glob("[!_.]*.py")):
        _load_file(path, package, registry)
    return registry


def _private_package(folder: Path) -> str:
    """Make the folder importable under a name nobody else uses; loading it again starts afresh."""
    name = f"_headrace_{zlib.crc32(str(folder).encode()):08x}"
    for known in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        del sys.modules[known]
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
    importlib.invalidate_caches()
    return name


def _load_file(path: Path, package: str, registry: Registry) -> None:
    if not path.stem.isidentifier():
        sentence = f"{path.stem!r} is no name for a Python module; use letters, digits and underscores"
        registry.errors.append(LoadError(path, 0, sentence))
        return
    with collecting() as collected:
        try:
            importlib.import_module(f"{package}.{path.stem}")
        except (Exception, SystemExit) as error:  # noqa: BLE001  (it is the user's code: anything may happen, nothing may stop)
            registry.errors.append(_explain(error, path))
            collected[:] = [thing for thing in collected if thing.place.file != str(path)]
    _register(collected, registry)


def _register(collected: Collected, registry: Registry) -> None:
    for thing in collected:
        try:
            _register_one(thing, registry)
        except ValueError as error:
            registry.errors.append(LoadError(Path(thing.place.file), thing.place.line, str(error)))


def _register_one(thing: Pipeline | DefinedTask, registry: Registry) -> None:
    _refuse_second(thing, registry)
    if isinstance(thing, Pipeline):
        thing.model()
        registry.pipelines[thing.id] = thing
    else:
        registry.tasks[thing.id] = thing
    registry.functions.update(_functions_of(thing))


def _refuse_second(thing: Pipeline | DefinedTask, registry: Registry) -> None:
    kind = "pipeline" if isinstance(thing, Pipeline) else "task"
    first = registry.pipelines.get(thing.id) if isinstance(thing, Pipeline) else registry.tasks.get(thing.id)
    if first is not None:
        raise ValueError(f"there is a {kind} {thing.id!r} already, at {first.place}; give one of them another name")


def _functions_of(thing: Pipeline | DefinedTask) -> Iterator[tuple[str, Function]]:
    tasks = thing.tasks.values() if isinstance(thing, Pipeline) else (thing,)
    return ((task.id, task.function) for task in tasks if task.function is not None)


# --- explaining what went wrong ------------------------------------------------------------------------------


def _explain(error: BaseException, path: Path) -> LoadError:
    if isinstance(error, SyntaxError) and error.filename:
        return LoadError(Path(error.filename), error.lineno or 0, f"this is not Python: {error.msg}")
    line = _last_line_in(path, error)
    if isinstance(error, ModuleNotFoundError) and (sentence := _missing_module(error, path)):
        return LoadError(path, line, sentence)
    return LoadError(path, line, f"{type(error).__name__}: {error}")


def _last_line_in(path: Path, error: BaseException) -> int:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (lines[-1] or 0) if lines else 0


def _missing_module(error: ModuleNotFoundError, path: Path) -> str | None:
    """Explain the two mistakes that the private names invite."""
    missing = error.name or ""
    top, _, rest = missing.partition(".")
    if top in OURS and rest:
        return (
            f"`import {missing}` means Headrace's own package {top!r}, which has no {rest!r}; a folder of yours with "
            f"the same name cannot be imported by it: use `from .{rest} import ...` or give the folder another name"
        )
    if top and (path.parent / f"{top}.py").exists():
        return f"{top}.py lies beside this file: import it by `from .{top} import ...`"
    return None
