"""What people write in a pipeline file: `Pipeline`, `task` and `Skip`.

Everything here builds the models of pipelines.model at once, so a mistake is reported at the line that made it.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, TypedDict, Unpack, overload

from pydantic import JsonValue, TypeAdapter, ValidationError

from pipelines.calling import check_parameters
from pipelines.faults import EXTRA, field, meant, problem
from pipelines.model import AnyTask, Delivery, NotifyRule, PipelineModel, Retries, Task, Trigger, UpstreamRef

Function = Callable[..., Any]
_TASK: TypeAdapter[AnyTask] = TypeAdapter(Task)


class Skip(Exception):  # noqa: N818  (a way to end, not an error)
    """Raise it in a task to end the execution as skipped; its text is the reason."""


class DefinitionError(ValueError):
    """A pipeline file says something that cannot be: the sentence names what, and what would be right."""


class Place(NamedTuple):
    """Where in a file something was defined."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Options(TypedDict, total=False):
    """What every kind of task accepts; see pipelines.model.TaskBase. Durations are seconds or timedeltas."""

    payload: JsonValue
    priority: int
    pool: str
    queue: str
    upstream: "Iterable[Upstream]"
    trigger: Trigger | str
    retries: "int | Retries"
    timeout: "float | timedelta"
    execution_timeout: "float | timedelta"
    max_latency: "float | timedelta"
    delivery: Delivery | str
    notify: "Iterable[NotifyRule | str]"
    owner: str
    description: str


@dataclass(frozen=True, slots=True)
class DefinedTask:
    """A task of a pipeline file. Call it to call its function, as in a test."""

    model: AnyTask
    place: Place
    function: Function | None = None

    @property
    def id(self) -> str:
        """The task's id, such as `weather.load`."""
        return self.model.id

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, without the system around it."""
        if self.function is None:
            raise TypeError(f"task {self.id!r} is of kind {self.model.kind!r} and has no function to call")
        return self.function(*args, **kwargs)


Upstream = DefinedTask | UpstreamRef | str
Decorator = Callable[[Function], DefinedTask]


class Pipeline:
    """Tasks that belong together. `options` hold for each of its tasks that does not say otherwise."""

    def __init__(self, pipeline_id: str, **options: Unpack[Options]) -> None:
        """Name the pipeline; the id of each of its tasks starts with that name and a dot."""
        self.id = pipeline_id
        self.description = options.pop("description", "")
        self.options = options
        self.tasks: dict[str, DefinedTask] = {}
        self.place = _caller()
        _collect(self)

    @overload
    def task(self, function: Function, /, *, name: str = "", **options: Unpack[Options]) -> DefinedTask: ...
    @overload
    def task(self, /, *, name: str = "", **options: Unpack[Options]) -> Decorator: ...
    def task(
        self, function: Function | None = None, /, *, name: str = "", **options: Unpack[Options]
    ) -> DefinedTask | Decorator:
        """Register a Python function: as a decorator, or called with the function to make several tasks of one."""

        def register(function: Function) -> DefinedTask:
            short = name or _name_of(function)
            return self._add("function", short, options, {"function": f"{self.id}.{short}"}, function)

        return register if function is None else register(function)

    def sql(
        self,
        name: str,
        sql: str,
        *,
        writes: bool = False,
        parameters: dict[str, JsonValue] | None = None,
        **options: Unpack[Options],
    ) -> DefinedTask:
        """Add a ClickHouse statement; its value is its rows. Read-only unless it `writes`."""
        return self._add("sql", name, options, {"sql": sql, "writes": writes, "parameters": parameters or {}})

    def shell(
        self, name: str, command: str | list[str], *, env: dict[str, str] | None = None, **options: Unpack[Options]
    ) -> DefinedTask:
        """Add a command: an argument list, or one string for `sh -c`."""
        return self._add("shell", name, options, {"command": command, "env": env or {}})

    def python(self, name: str, code: str, **options: Unpack[Options]) -> DefinedTask:
        """Add a snippet that sees `payload` and `inputs` and assigns `result`."""
        return self._add("python", name, options, {"code": inspect.cleandoc(code)})

    def http(
        self,
        name: str,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: JsonValue = None,
        expect: Iterable[int] = (),
        **options: Unpack[Options],
    ) -> DefinedTask:
        """Add a request; its value is the answer's status, headers and body."""
        fields = {"url": url, "method": method, "headers": headers or {}, "body": body, "expect": tuple(expect)}
        return self._add("http", name, options, fields)

    def sleep(self, name: str, seconds: float | timedelta, **options: Unpack[Options]) -> DefinedTask:
        """Add a pause; it takes no worker."""
        return self._add("sleep", name, options, {"seconds": seconds})

    def external(self, name: str, **options: Unpack[Options]) -> DefinedTask:
        """Add a task that someone else finishes, by a `finish` event."""
        return self._add("external", name, options, {})

    def model(self) -> PipelineModel:
        """The pipeline as it is submitted. Raises DefinitionError where its tasks do not fit together."""
        if not self.tasks:
            raise DefinitionError(f"pipeline {self.id!r} has no tasks; give it one with @{self.id}.task()")
        models = tuple(task.model for task in self.tasks.values())
        with _explained(f"pipeline {self.id!r}"):
            return PipelineModel(id=self.id, description=self.description, tasks=models)

    def _add(
        self, kind: str, name: str, options: Options, fields: dict[str, Any], function: Function | None = None
    ) -> DefinedTask:
        task_id = f"{self.id}.{name}"
        if task_id in self.tasks:
            raise DefinitionError(f"pipeline {self.id!r} has a task {name!r} already, at {self.tasks[task_id].place}")
        values = {**self.options, **options, **fields, "kind": kind, "id": task_id}
        self.tasks[task_id] = defined = _define(values, function, pipeline=self.id)
        return defined


@overload
def task(function: Function, /) -> DefinedTask: ...
@overload
def task(*, id: str = "", **options: Unpack[Options]) -> Decorator: ...
def task(
    function: Function | None = None,
    /,
    *,
    id: str = "",  # noqa: A002  (people write it as @task(id=...))
    **options: Unpack[Options],
) -> DefinedTask | Decorator:
    """Register a Python function as a task of its own, outside any pipeline. A decorator."""

    def register(function: Function) -> DefinedTask:
        task_id = id or _name_of(function)
        defined = _define({**options, "kind": "function", "id": task_id, "function": task_id}, function)
        _collect(defined)
        return defined

    return register if function is None else register(function)


# --- how a definition becomes a model ---------------------------------------------------------------------


def _define(values: dict[str, Any], function: Function | None = None, pipeline: str = "") -> DefinedTask:
    """Check a task's fields, given as people write them, and build its model."""
    what = f"task {values['id']!r}"
    values["upstream"] = tuple(_upstream(u, what, pipeline) for u in _listed(values.get("upstream", ())))
    values["notify"] = tuple(_listed(values.get("notify", ())))
    if function is not None and not values.get("description"):
        values["description"] = _first_sentence(function)
    with _explained(what):
        model = _TASK.validate_python(values)
        if function is not None:
            check_parameters(function, [u if isinstance(u, str) else u.task for u in model.upstream])
    return DefinedTask(model, _caller(), function)


def _upstream(upstream: Any, what: str, pipeline: str) -> str | UpstreamRef:
    match upstream:
        case DefinedTask():
            return upstream.id
        case UpstreamRef():
            return upstream
        case str():
            return f"{pipeline}.{upstream}" if pipeline and "." not in upstream else upstream
    raise DefinitionError(
        f"{what}: upstream {upstream!r:.80} is neither a task nor a task's name; "
        "a function is a task only with @pipeline.task() above it"
    )


def _listed(value: Any) -> Iterable[Any]:
    """One thing, or several of them."""
    return (value,) if isinstance(value, str | DefinedTask | UpstreamRef | NotifyRule) else value


def _name_of(function: Function) -> str:
    return getattr(function, "__name__", "")


def _first_sentence(function: Function) -> str:
    return (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")[:2000]


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn pydantic's report into one sentence about `what`."""
    try:
        yield
    except ValidationError as error:
        raise DefinitionError(f"{what}: {'; '.join(map(_complaint, error.errors()))}") from None
    except ValueError as error:
        raise DefinitionError(f"{what}: {error}") from None


def _complaint(error: Any) -> str:
    place = error["loc"]
    if not place:
        return problem(error)
    if error["type"] == EXTRA:
        return f"no option {field(place)!r}{meant(place)}"
    return f"{field(place)} {error['input']!r:.80}: {problem(error)}"


def _caller() -> Place:
    """The line outside this file that led here."""
    frame = sys._getframe(1)  # noqa: SLF001  (inspect.stack() reads every source file on the way)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)


# --- who gets to know of it ---------------------------------------------------------------------------------

Collected = list[Pipeline | DefinedTask]
_collection: ContextVar[Collected | None] = ContextVar("collection", default=None)


def _collect(thing: Pipeline | DefinedTask) -> None:
    if (collected := _collection.get()) is not None:
        collected.append(thing)


@contextmanager
def collecting() -> Iterator[Collected]:
    """Collect the pipelines and lone tasks that are defined inside the `with`, in order."""
    collected: Collected = []
    token = _collection.set(collected)
    try:
        yield collected
    finally:
        _collection.reset(token)
