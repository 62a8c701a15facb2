"""A Faust app with the settings that our promises need, and how it runs."""

import asyncio
import logging

from streams.settings import Settings
from streams.state.exits import CRASHED, stop_process
from streams.state.faust_fixes import App, QuietMonitor, TableManager
from streams.state.inputs import Inputs
from streams.state.room import Room
from streams.state.watchdog import Watchdog
from streams.topics import MESSAGE_LIMIT, group

log = logging.getLogger(__name__)

FOR_EVER = 10 * 365 * 86400.0
"""Seconds in which Faust's consumer may stand still: it only keeps us in the group, `Inputs` reads."""


def make_app(settings: Settings, name: str) -> App:
    """The app of the role `name`: one consumer group, its tables under `home`/state/`name`."""
    folder = settings.home / "state" / name
    app = App(
        group(settings, name),
        broker=[f"kafka://{server}" for server in settings.kafka.split(",")],
        datadir=folder,
        store="memory://",
        key_serializer="raw",
        value_serializer="raw",
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.session_timeout / 6,  # those who live hear of a death by their next one
        broker_rebalance_timeout=max(5.0, settings.session_timeout * 2),
        broker_max_poll_interval=FOR_EVER,
        broker_commit_interval=0.1,  # clients that send much wait for it: see streams.backpressure
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_linger=0,
        producer_max_request_size=MESSAGE_LIMIT,
        stream_wait_empty=False,
        stream_publish_on_commit=False,
        stream_buffer_maxsize=16,  # fetches
        table_standby_replicas=settings.standbys,
        topic_replication_factor=settings.replication,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
        autodiscover=False,
        TableManager=TableManager,
        Monitor=QuietMonitor,
    )
    app.inputs = Inputs(settings.kafka)
    app.room = Room(settings.kafka, settings.namespace, settings.replication, folder, app.applied)
    return app


async def run_app(app: App, stop: asyncio.Event) -> None:
    """Run until `stop` is set, then close in order. A crash inside Faust ends the process with a clear line."""
    watchdog = asyncio.create_task(Watchdog(app.room.lag).run())
    crashed = asyncio.create_task(_end_on_crash(app))
    starting = asyncio.create_task(_start(app))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await stopping
    finally:
        for task in (crashed, watchdog, stopping):
            task.cancel()
        await app.stop()
        await asyncio.gather(starting, crashed, watchdog, stopping, return_exceptions=True)


async def _start(app: App) -> None:
    try:
        await app.start()
    except Exception as error:
        log.exception("the app did not start")
        stop_process(getattr(error, "status", CRASHED), f"cannot start: {error}")


async def _end_on_crash(app: App) -> None:
    await app.wait_for_crash()
    stop_process(CRASHED, f"the stream processor crashed: {app.crash_reason!r}")
