import asyncio
import functools
import timeit

import pytest

from pipelines.calling import Context, Inputs, argument_name, call, check_parameters, is_async

CONTEXT = Context(task="weather.clean", run="monday", execution="00000000-0000-8000-8000-000000000000", attempt=1)
INPUTS = {"weather.load": [1, 2], "other.clean-2012": 3}


def test_arguments_are_found_by_name() -> None:
    """Special names and upstream tasks' names, in any order and kind."""

    def function(load: object, /, context: Context, *, clean_2012: object, payload: object) -> object:
        return load, clean_2012, payload, context.run

    assert call(function, "p", INPUTS, CONTEXT) == ([1, 2], 3, "p", "monday")


def test_inputs_are_found_by_id_and_by_short_name() -> None:
    """And a name that is not there is answered with those that are."""

    def function(inputs: Inputs) -> object:
        return inputs["load"], inputs["weather.load"], len(inputs)

    assert call(function, None, INPUTS, CONTEXT) == ([1, 2], [1, 2], 2)
    with pytest.raises(KeyError, match=r"there are: weather\.load, other\.clean-2012"):
        Inputs(INPUTS)["lod"]


def test_an_upstream_without_a_value_is_the_default() -> None:
    """Or None, where there is no default."""

    def function(load: object, skipped: object, failed: object = "no value") -> object:
        return load, skipped, failed

    assert call(function, None, INPUTS, CONTEXT) == ([1, 2], None, "no value")


def test_an_upstream_cannot_take_a_special_name() -> None:
    """`payload` is the payload, whatever a task is called."""
    assert call(lambda payload: payload, "mine", {"p.payload": "theirs"}, CONTEXT) == "mine"


def test_functions_that_ask_for_nothing_or_anything() -> None:
    """No parameters, star parameters, partials, methods and built-ins are called sensibly."""
    assert call(lambda: 1, None, INPUTS, CONTEXT) == 1
    assert call(lambda *args, **kwargs: (args, kwargs), None, INPUTS, CONTEXT) == ((), {})
    assert call([3].__len__, None, {}, CONTEXT) == 1


def test_an_async_function_gives_its_coroutine() -> None:
    """Awaiting it is the caller's affair; `is_async` tells."""

    async def function(payload: int) -> int:
        return payload + 1

    class Callable:
        async def __call__(self) -> int:
            return 3

    assert asyncio.run(call(function, 1, {}, CONTEXT)) == 2
    assert asyncio.run(call(Callable(), 1, {}, CONTEXT)) == 3
    assert is_async(function)
    assert is_async(Callable())
    assert is_async(functools.partial(function, 1))
    assert not is_async(len)


def test_parameters_are_checked_before_anything_runs() -> None:
    """A name that nothing fills is refused; with a default it is the author's own affair."""

    def right(payload: object, load: object, other: int = 1) -> object:
        return payload, load, other

    check_parameters(right, ["weather.load"])
    with pytest.raises(ValueError, match=r"asks for 'lod', .* upstream task of it \(clean_2012, load\)"):
        check_parameters(lambda lod: lod, INPUTS)


@pytest.mark.parametrize(
    ("task_id", "name"),
    [("weather.load", "load"), ("lone", "lone"), ("a.b.c", "b_c"), ("a.clean-2012", "clean_2012")],
)
def test_a_tasks_value_has_a_parameters_name(task_id: str, name: str) -> None:
    """What follows the first dot, as a Python name."""
    assert argument_name(task_id) == name


def test_the_signature_is_inspected_once() -> None:
    """A call costs a few times a plain one, not an inspection."""

    def function(payload: object) -> object:
        return payload

    import inspect  # noqa: PLC0415  (for this comparison only)

    inspected = min(timeit.repeat(lambda: inspect.signature(function), number=1000, repeat=3))
    called = min(timeit.repeat(lambda: call(function, 1, {}, CONTEXT), number=1000, repeat=3))
    assert called < inspected
