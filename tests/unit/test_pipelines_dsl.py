from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.dsl import DefinitionError, Pipeline, collecting, task
from pipelines.model import FunctionTask, HttpTask, NotifyRule, PythonTask, Retries, SqlTask, UpstreamRef


def make() -> Pipeline:
    """A pipeline that uses what there is."""
    pipeline = Pipeline("weather", description="Rain and sun.", priority=3, notify="json://localhost")

    @pipeline.task(retries=2, timeout=60)
    def load(payload: object) -> object:
        """Load the days.

        Not part of the description.
        """
        return payload

    @pipeline.task(upstream=[load], priority=7)
    def clean(load: list[int]) -> list[int]:
        return [day + 1 for day in load]

    pipeline.sql("aggregate", "INSERT INTO report SELECT 1", upstream=["clean"], writes=True)
    return pipeline


def test_a_function_becomes_a_task_of_its_pipeline() -> None:
    """Id, function name, options and description come from the decorator and the function."""
    load = make().tasks["weather.load"]
    assert isinstance(load.model, FunctionTask)
    assert (load.id, load.model.function) == ("weather.load", "weather.load")
    assert (load.model.retries, load.model.timeout) == (Retries(limit=2), timedelta(seconds=60))
    assert load.model.description == "Load the days."


def test_a_task_overrules_its_pipeline() -> None:
    """The pipeline's options hold where the task says nothing."""
    tasks = make().tasks
    assert [t.model.priority for t in tasks.values()] == [3, 7, 3]
    assert tasks["weather.clean"].model.notify == (NotifyRule(to=("json://localhost",)),)


def test_upstream_may_be_a_task_or_its_name() -> None:
    """Both become the upstream's full id."""
    tasks = make().tasks
    assert tasks["weather.clean"].model.upstream == ("weather.load",)
    assert tasks["weather.aggregate"].model.upstream == ("weather.clean",)


def test_the_model_holds_all_tasks_in_order() -> None:
    """A pipeline is submitted as one model."""
    model = make().model()
    assert (model.id, model.description) == ("weather", "Rain and sun.")
    assert [t.id for t in model.tasks] == ["weather.load", "weather.clean", "weather.aggregate"]
    assert isinstance(model.tasks[2], SqlTask)
    assert model.tasks[2].writes


def test_a_task_can_be_called_like_its_function() -> None:
    """So that people can test it without the system."""
    assert make().tasks["weather.clean"]([1, 2]) == [2, 3]
    with pytest.raises(TypeError, match="of kind 'sql' and has no function"):
        make().tasks["weather.aggregate"]()


def test_several_tasks_of_one_function() -> None:
    """`task` called with a function and a name registers the function once for each name."""
    pipeline = Pipeline("many")

    def clean(payload: int) -> int:
        return payload

    years = [pipeline.task(clean, name=f"year_{y}", payload=y) for y in (2012, 2013)]
    pipeline.sleep("pause", 0.5, upstream=years)
    assert [t.model.payload for t in years] == [2012, 2013]
    assert pipeline.tasks["many.pause"].model.upstream == ("many.year_2012", "many.year_2013")


def test_every_kind_has_its_method() -> None:
    """The fields of each kind arrive in its model."""
    pipeline = Pipeline("kinds")
    pipeline.shell("list", ["ls", "-l"], env={"A": "b"})
    pipeline.python("snippet", "\n    result = 1\n    result += 1\n")
    pipeline.http("get", "https://example.org", expect=[200, 404], timeout=5)
    pipeline.external("approve", execution_timeout=timedelta(hours=1))
    assert [t.kind for t in pipeline.model().tasks] == ["shell", "python", "http", "external"]
    snippet, get = pipeline.tasks["kinds.snippet"].model, pipeline.tasks["kinds.get"].model
    assert isinstance(snippet, PythonTask)
    assert snippet.code == "result = 1\nresult += 1"
    assert isinstance(get, HttpTask)
    assert get.expect == (200, 404)


def test_a_task_of_its_own() -> None:
    """`task` works bare and with options, sync and async, and waits for tasks of other runs."""

    @task
    def tidy() -> None:
        """Tidy up."""

    @task(id="send_mail", retries=3, upstream=[tidy, UpstreamRef(task="weather.load", run="monday")])
    async def send(payload: object, tidy: object, load: object) -> None:
        """Send it."""

    assert (tidy.id, send.id) == ("tidy", "send_mail")
    assert send.model.upstream == ("tidy", UpstreamRef(task="weather.load", run="monday"))


def test_definitions_are_collected_where_they_are_made() -> None:
    """The loader learns of pipelines and lone tasks, in order, with their places."""
    with collecting() as collected:
        pipeline = make()
        lone = task(id="lone")(lambda: None)
    assert collected == [pipeline, lone]
    assert Path(lone.place.file) == Path(__file__)
    assert lone.place.line > pipeline.place.line


def missing_upstream() -> object:
    """A name that no task has."""
    pipeline = Pipeline("p")
    pipeline.sleep("a", 1, upstream=["nobody"])
    return pipeline.model()


def circle() -> object:
    """Two tasks that wait for each other."""
    pipeline = Pipeline("p")
    pipeline.sleep("a", 1, upstream=["b"])
    pipeline.sleep("b", 1, upstream=["a"])
    return pipeline.model()


def twice() -> object:
    """One name for two tasks."""
    pipeline = Pipeline("p")
    pipeline.sleep("a", 1)
    return pipeline.external("a")


def generator() -> object:
    """A function that yields."""

    def steps():  # type: ignore[no-untyped-def]  # noqa: ANN202  (what a user might write)
        yield 1

    return Pipeline("p").task(steps)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (missing_upstream, "'p.a' waits for 'p.nobody', which pipeline 'p' does not have"),
        (circle, "wait for each other"),
        (twice, r"has a task 'a' already, at .*test_pipelines_dsl.py:\d+"),
        (generator, r"steps\(\) is a generator"),
        (lambda: Pipeline("p").model(), "pipeline 'p' has no tasks"),
        (lambda: Pipeline("p").sleep("a b", 1), "task 'p.a b': id 'p.a b'"),
        (lambda: Pipeline("p").sleep("a", 1, priority=12), "priority 12: .*less than or equal to 9"),
        (lambda: Pipeline("p").sleep("a", 1, upstream=[print]), "only with @pipeline.task"),
        (lambda: Pipeline("p").task(lambda lod: lod, name="a"), "asks for 'lod', which is neither payload"),
        (lambda: Pipeline("p").http("a", "ftp://x"), "url 'ftp://x'"),
        (lambda: Pipeline("p").sleep("a", 1, trigger="never"), "trigger 'never'"),
        (lambda: Pipeline("p").sleep("a", 1, prioritty=1), r"no option 'prioritty'; did you mean priority\?"),  # type: ignore[call-arg]
    ],
)
def test_a_mistake_is_one_sentence(mistake: object, words: str) -> None:
    """It names the task, the value and what would be right."""
    with pytest.raises(DefinitionError, match=words) as caught:
        mistake()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
