"""The first run that a newcomer sees: the example pipeline, from its start to its rows in ClickHouse."""

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pipelines.command import command
from pipelines.dsl import DefinedTask
from pipelines.listed import listed
from pipelines.loader import Registry
from pipelines.requests import ExecutionFilter
from pipelines.views import ExecutionRow
from streams.local.screen import Screen
from streams.local.timeline import ended
from streams.local.upstreams import unknown_in_folder
from ui.client import ApiError, ApiUnavailableError, Client

EXAMPLE = "weather"
DRAWS = "weather.draw"
RESULT = "SELECT * FROM weather_report ORDER BY month"
PAYLOAD = '"World"'
"""What a task is given that asks for something: JSON, which a newcomer replaces."""
BETWEEN_LOOKS = 0.2
MOST = 1000
"""Tasks that are looked at."""
GOOD_ENDS = frozenset({"succeeded", "skipped"})

Pause = Callable[[float], None]
"""Wait some seconds; roles are looked after meanwhile."""


def register(client: Client, registry: Registry, folder: Path, say: Callable[[str], None]) -> None:
    """Make all that was loaded from a folder known; first what could not be is said, and at last what else is known."""
    for error in registry.errors:
        say(f"Not loaded: {error}")
    for pipeline in registry.pipelines.values():
        client.create_pipeline(pipeline.model())
    for task in registry.tasks.values():
        client.create_task(task.model)
    say(f"Loaded from {folder}: {contents(registry)}.")
    with suppress(ApiError, ApiUnavailableError):  # remarks: all is loaded, though the history may be away
        _remark(client, registry, say)


def _remark(client: Client, registry: Registry, say: Callable[[str], None]) -> None:
    """Say what waits for what nobody knows, and what else can be executed. Raises ApiError and ApiUnavailableError."""
    for line in unknown_in_folder(client, registry):
        say(f"Warning: {line}")
    if kept := _kept(client, registry):
        where = "not loaded now" if registry.errors else "not in this folder (created, or loaded before)"
        say(f"Kept as well, {where}: {kept}; `{command('tasks')}` lists all.")


def contents(registry: Registry) -> str:
    """What a folder defines, by name: `the pipeline weather and the tasks greet, part`."""
    return _in_words(registry.pipelines, registry.tasks) or "nothing"


def _kept(client: Client, registry: Registry) -> str:
    """What can be executed and the folder does not define; a pipeline stands for its tasks."""
    pipelines = {one.pipeline for one in client.pipelines()} - registry.pipelines.keys()
    tasks = {one.task for one in client.tasks(limit=MOST) if "." not in one.task} - registry.tasks.keys()
    return _in_words(pipelines, tasks)


def _in_words(pipelines: Iterable[str], tasks: Iterable[str]) -> str:
    kinds = {"pipeline": sorted(pipelines), "task": sorted(tasks)}
    return " and ".join(named(kind, names) for kind, names in kinds.items() if names)


def named(kind: str, names: list[str]) -> str:
    """Things of one kind, by name: `the 2 tasks greet, part`."""
    many = "" if len(names) == 1 else f"{len(names)} "
    return f"the {many}{kind}{'s' if many else ''} {listed(names)}"


def to_try(registry: Registry) -> str:
    """The command that runs one of them: a task that waits for nothing, or a pipeline; empty where there is none."""
    tasks = [f"{name}{_payload(one)}" for name, one in registry.tasks.items() if not one.model.upstream]
    wanted = next(iter([*tasks, *registry.pipelines]), "")
    return command(f"execute {wanted} --wait") if wanted else ""


def _payload(task: DefinedTask) -> str:
    """An option that gives it something to work on, where its function asks for that and it has nothing of its own."""
    asks = task.function is not None and "payload" in inspect.signature(task.function).parameters
    return f" --payload '{PAYLOAD}'" if asks and task.model.payload is None else ""


def run_example(client: Client, registry: Registry, screen: Screen, pause: Pause) -> bool:
    """Run the example, show it, and print its result from ClickHouse; whether all of that went well."""
    if (pipeline := registry.pipelines.get(EXAMPLE)) is None:
        hint = to_try(registry)
        screen.say(f"Run one of yours, in another terminal: {hint}" if hint else "There is nothing to run in it yet.")
        return False
    accepted = client.run_pipeline(EXAMPLE)
    run, model = accepted.run or "", pipeline.model()
    screen.open()
    screen.follow(model, run)
    try:
        rows = _watch(client, run, {task.id for task in model.tasks}, screen, pause)
    finally:
        screen.close()
    return _report(client, rows, screen)


def _watch(client: Client, run: str, tasks: set[str], screen: Screen, pause: Pause) -> dict[str, ExecutionRow]:
    """Show the run's executions until all have ended; the edge may be away for a while."""
    which = ExecutionFilter(pipeline=EXAMPLE, run=run)
    rows: dict[str, ExecutionRow] = {}
    while not all(ended(rows.get(task)) for task in tasks):
        pause(BETWEEN_LOOKS)
        try:
            rows = {row.task: row for row in client.executions(which, limit=len(tasks)).items}
        except ApiUnavailableError:
            continue
        screen.show(rows)
    return rows


def _report(client: Client, rows: dict[str, ExecutionRow], screen: Screen) -> bool:
    bad = [row for row in rows.values() if row.state not in GOOD_ENDS]
    for row in bad:
        screen.say(f"{row.task} ended as {row.state}: {row.error or row.reason or 'see its log'}")
        screen.say(f"    {command(f'logs {row.execution}')}")
    if bad:
        return False
    answer = client.sql(RESULT)
    screen.say(f"\nIts result, from ClickHouse: {RESULT}\n")
    screen.table(answer)
    screen.say(f"\nIts picture: {_picture(client, rows[DRAWS])}")
    return bool(answer.rows)


def _picture(client: Client, drawn: ExecutionRow) -> str:
    """The path of the file that the example drew, which is its result."""
    match client.execution(drawn.execution).result:
        case {"picture": str(path)}:
            return path
    return f"see `{command(f'show {drawn.execution}')}`"
