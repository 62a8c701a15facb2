"""The scheduler's composition root: its three stages, in the order in which a task meets them."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from streams.collector import settle
from streams.pulse import Teller, leave, pulse, say_ready
from streams.settings import Settings
from streams.stages.derived import derive
from streams.stages.dispatch import Dispatch
from streams.stages.feed import Feed, Nearby
from streams.stages.incoming import Send
from streams.stages.loop import Stage
from streams.stages.schedule import Schedule
from streams.stages.sender import Sender
from streams.stages.submit import Submit
from streams.state.faust_fixes import App
from streams.state.partition import Derive
from streams.state.tables import Tables, make_app, run_app
from streams.topics import Topics

NOTHING_DERIVED = Derive(lambda _key, _old, _new: [], b"", b"")
"""Of a table whose keys are in the order that is needed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A stage: its input, its table, and what it does."""

    table: str
    source: str
    partitions: int
    derive: Derive
    logic: type[Submit | Schedule | Dispatch]


def plans(settings: Settings) -> list[Plan]:
    """The stages, one Faust agent and one table each."""
    t = Topics.under(settings.namespace)
    return [
        Plan("submit", t.submit, settings.submit_partitions, NOTHING_DERIVED, Submit),
        Plan("tasks", t.tasks, settings.task_partitions, derive(alone=settings.task_partitions == 1), Schedule),
        Plan("ready", t.ready, settings.ready_partitions, NOTHING_DERIVED, Dispatch),
    ]


def scheduler_app(
    settings: Settings, senders: list[Sender], nearby: Nearby, fail: Callable[[str], None]
) -> tuple[App, list[Feed]]:
    """The Faust app of the role `scheduler`, and the feeds of its stages; each has a sender."""
    app = make_app(settings, "scheduler")
    tables = Tables(app, settings)
    feeds = []
    for plan, sender in zip(plans(settings), senders, strict=True):
        feed = nearby.feeds[plan.source] = Feed(_stage(plan, settings), sender, fail)
        source = tables.table(
            plan.table, plan.source, plan.partitions, plan.derive, feed.open, feed.close, holes=not plan.logic.strict
        )
        app.agent(source, name=plan.table)(feed.agent)
        feeds.append(feed)
    return app, feeds


def _stage(plan: Plan, settings: Settings) -> Stage:
    dead_letters = Topics.under(settings.namespace).dead_letters
    return Stage(plan.table, plan.source, dead_letters, lambda partition: plan.logic(partition, settings))


async def run_scheduler(settings: Settings) -> None:
    """The role `scheduler`: run until SIGTERM or SIGINT. Raises what made a stage stop."""
    settle()
    stop = asyncio.Event()
    failures: list[str] = []

    def fail(sentence: str) -> None:
        failures.append(sentence)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        nearby = Nearby()
        senders = [await stack.enter_async_context(Sender(settings, nearby)) for _ in plans(settings)]
        app, feeds = scheduler_app(settings, senders, nearby, fail)
        tell = _teller(settings, senders[0])
        telling = asyncio.create_task(_tell(tell, app, feeds))
        stack.callback(telling.cancel)
        await run_app(app, stop)
        if not failures:
            telling.cancel()
            await leave("scheduler", tell)
    if failures:
        raise SystemExit(failures[0])


def _teller(settings: Settings, sender: Sender) -> Teller:
    status = Topics.under(settings.namespace).status
    return lambda key, value: sender([Send(status, 0, value, key)])


async def _tell(tell: Teller, app: App, feeds: list[Feed]) -> None:
    """Say once a second what we own; ready is who has its share, be it of warm copies only."""

    async def send(key: bytes, value: bytes | None) -> None:
        if app.joined:
            say_ready()
        await tell(key, value)

    await pulse("scheduler", send, lambda: {"partitions": {feed.stage.name: feed.partitions for feed in feeds}})
