"""How a task's function gets its arguments: by the names of its parameters.

`payload`, `inputs` and `context` are special; any other parameter gets the value of the upstream task of that name.
"""

import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from inspect import Parameter
from typing import Any

Function = Callable[..., Any]
SPECIAL = ("payload", "inputs", "context")


@dataclass(frozen=True, slots=True)
class Context:
    """What a task may want to know about its own attempt. What `logger` is told stands in the attempt's log."""

    task: str
    run: str
    execution: str
    attempt: int
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("headrace.task"))


class Inputs(dict[str, Any]):
    """Values of the upstream tasks by id; `inputs["load"]` finds `weather.load` too."""

    def __missing__(self, name: str) -> Any:
        """Look for a short name. Raises KeyError that lists what there is."""
        if found := [value for task_id, value in self.items() if argument_name(task_id) == name]:
            return found[0]
        raise KeyError(f"no upstream task {name!r} has a value here; there are: {', '.join(self) or 'none'}")


def call(function: Function, payload: Any, inputs: Mapping[str, Any], context: Context) -> Any:
    """Call `function` with what its parameters ask for; a coroutine comes back from an async one.

    `inputs` has the value of each upstream task by task id; an upstream without a value is the parameter's default,
    or None.
    """
    plan = _plan_of(function)
    values = {"payload": payload, "inputs": inputs, "context": context}
    if plan.inputs:
        values["inputs"] = Inputs(inputs)
    if plan.upstream:
        values = {argument_name(task_id): value for task_id, value in inputs.items()} | values
    positional = [values.get(name, default) for name, default in plan.positional]
    if not plan.named:
        return function(*positional)
    return function(*positional, **{name: values.get(name, default) for name, default in plan.named})


def is_async(function: Function) -> bool:
    """Whether calling it gives a coroutine, to be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  (its kind matters here, not whether it is there)
    )


@cache
def argument_name(task_id: str) -> str:
    """The parameter that takes a task's value: `weather.clean-2012` is `clean_2012`."""
    return re.sub(r"\W", "_", task_id.partition(".")[2] or task_id)


def check_parameters(function: Function, upstream: Iterable[str]) -> None:
    """Raise ValueError where a call cannot fill the function's parameters, given its upstream tasks' ids."""
    name = getattr(function, "__name__", repr(function))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError(f"{name}() is a generator (it has a `yield`); a task returns its value")
    known = {*SPECIAL, *map(argument_name, upstream)}
    plan = _plan_of(function)
    for parameter in plan.required:
        if parameter not in known:
            names = ", ".join(sorted(known - set(SPECIAL))) or "there are none"
            raise ValueError(
                f"{name}() asks for {parameter!r}, which is neither payload, inputs nor context, "
                f"nor an upstream task of it ({names})"
            )


@dataclass(frozen=True, slots=True)
class _Plan:
    """The parameters of a function with their defaults, as a call fills them."""

    positional: tuple[tuple[str, Any], ...]
    named: tuple[tuple[str, Any], ...]
    required: tuple[str, ...]
    inputs: bool
    upstream: bool


@lru_cache(maxsize=10_000)
def _plan_of(function: Function) -> _Plan:
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    named = [p for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
    names = {p.name for p in (*positional, *named)}
    return _Plan(
        positional=tuple((p.name, _default(p)) for p in positional),
        named=tuple((p.name, _default(p)) for p in named),
        required=tuple(p.name for p in (*positional, *named) if p.default is Parameter.empty),
        inputs="inputs" in names,
        upstream=bool(names - set(SPECIAL)),
    )


def _default(parameter: Parameter) -> Any:
    return None if parameter.default is Parameter.empty else parameter.default
