"""The command line's entry: people's commands and the roles. What a command needs is imported when it is called."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from streams.bench import commands as bench
from streams.local import commands as local
from streams.settings import Settings, exits_on_wrong_settings, read_settings, settings
from ui.cli.app import make_app

ROLES = Group("Roles", sort_key=3)

Role = Callable[[Settings], Coroutine[Any, Any, None]]


def scheduler() -> None:
    """Decide: the stages submit, schedule and dispatch."""
    from streams.app import run_scheduler  # noqa: PLC0415  (other commands need none of it)

    _run(run_scheduler, settings())


def worker(
    *,
    pool: Annotated[str | None, Parameter(help="The pool that it serves.")] = None,
    slots: Annotated[int | None, Parameter(help="How many attempts run at once.")] = None,
) -> None:
    """Execute: run what the scheduler gives."""
    from streams.local.preflight import check_pipelines  # noqa: PLC0415  (other commands need none of it)
    from streams.worker.worker import run_worker  # noqa: PLC0415  (the same)

    check_pipelines(settings())
    given = {"pool": pool, "slots": slots}
    changes = {name: value for name, value in given.items() if value is not None}
    _run(run_worker, read_settings(**(settings().model_dump() | changes)))


def edge() -> None:
    """Serve the HTTP API; record and notify."""
    from streams.edge.main import run_edge  # noqa: PLC0415  (other commands need none of it)

    _run(run_edge, settings())


def dashboard() -> None:
    """Serve the dashboard, for this machine only."""
    from streams.token import token_path  # noqa: PLC0415  (other commands need none of it)
    from ui.serve import command, environment  # noqa: PLC0415  (the same)

    here = settings()
    line = command(here.dashboard_host, here.dashboard_port)
    os.execve(line[0], line, environment(here.edge_url, token_path(here)))  # noqa: S606  (no shell is wanted)


def assemble() -> App:
    """All commands."""
    app = make_app()
    for role in (scheduler, worker, edge, dashboard):
        app.command(role, group=ROLES)
    local.register(app)
    bench.register(app)
    return app


def _run(role: Role, with_settings: Settings) -> None:
    """Run a role once Kafka is there; what it imports was imported meanwhile."""
    import uvloop  # noqa: PLC0415  (other commands need none of it)

    from streams.aiokafka_fixes import look_seldom  # noqa: PLC0415  (the same)
    from streams.kafka_there import topics_there  # noqa: PLC0415  (the same)
    from streams.log import log_to_stderr  # noqa: PLC0415  (the same)

    log_to_stderr()
    look_seldom()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(topics_there(with_settings))
        runner.run(role(with_settings))


def main() -> None:
    """`headrace`."""
    with exits_on_wrong_settings():
        assemble()()


if __name__ == "__main__":
    main()
