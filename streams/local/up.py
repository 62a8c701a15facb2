"""`headrace up`: everything on one machine, shown as it comes up, until Ctrl-C."""

import logging
import os
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipelines.command import command
from pipelines.loader import Registry, load_folder
from streams.local import preflight
from streams.local.cluster import dashboard_role, local_settings, running
from streams.local.debian import bring_command
from streams.local.errors import SetupError
from streams.local.example import EXAMPLE, register, run_example
from streams.local.screen import Screen
from streams.local.supervisor import Supervisor
from streams.settings import Settings
from streams.token import read_token, token_path
from ui.client import ApiError, ApiUnavailableError, Client
from ui.parts import formats

FOREVER = 3600.0
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NAMES = 13
"""Characters of the longest name of a row."""
QUESTION = "SELECT task, state, ran_ms FROM executions LIMIT 10"


def up(settings: Settings, *, once: bool = False) -> int:
    """Start everything, run the example, and stay up, or end with it (`once`). Returns the exit code."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # a broker that is not up yet is no news
    settings, screen = local_settings(settings), Screen()
    try:
        with _ctrl_c():
            good = _run(settings, screen, once=once)
    except SetupError as error:
        print(f"headrace up: {error}", file=sys.stderr)  # noqa: T201  (standard error is where this belongs)
        return 1
    except KeyboardInterrupt:
        good = not once
    screen.say(f"Stopped. The data stays in {settings.home} for the next start.")
    return 0 if good else 1


def _run(settings: Settings, screen: Screen, *, once: bool) -> bool:
    preflight.check_pipelines(settings)
    if once and EXAMPLE not in load_folder(settings.pipelines_dir).pipelines:
        raise SetupError(f"--once runs the example {EXAMPLE!r}, which is not in {settings.pipelines_dir}")
    if settings.isolation == "sandbox":
        bring_command("bwrap")
    supervisor = Supervisor(screen.happened, screen.redraw)
    screen.children = supervisor.children
    screen.open()
    try:
        with running(settings, screen.say, supervisor):
            dashboard = supervisor.launch([dashboard_role(settings)])  # last: the others take the processor first
            if not once and _has_desktop(screen):
                supervisor.wait(dashboard)
                webbrowser.open(_dashboard(settings))  # the person sees the example run on it
            screen.close()
            registry = load_folder(settings.pipelines_dir)
            good = show_example(settings, registry, screen, supervisor)
            supervisor.wait(dashboard)
            if not once:
                where_things_are(settings, screen, registry)
            while not once:
                supervisor.pause(FOREVER)
    finally:
        screen.close()
    return good


def show_example(settings: Settings, registry: Registry, screen: Screen, supervisor: Supervisor) -> bool:
    """Run the example, and return whether it went well; where it fails there is a line for a person who stays."""
    try:
        with Client(settings.edge_url, read_token(settings)) as client:
            register(client, registry, settings.pipelines_dir, screen.say)
            return run_example(client, registry, screen, supervisor.pause)
    except (ApiError, ApiUnavailableError) as error:
        screen.say(f"The example {EXAMPLE!r} could not be run: {error}")
        return False


def _dashboard(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.dashboard_port}"


def _has_desktop(screen: Screen) -> bool:
    """Whether the person has a browser to open."""
    return screen.console.is_terminal and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def where_things_are(settings: Settings, screen: Screen, registry: Registry) -> None:
    """Where things are, and what to try next."""
    kafka = "ours" if preflight.kafka_is_ours(settings) else "yours"
    _rows(screen, "Where things are", [
        ("dashboard", _dashboard(settings)),
        ("API", settings.edge_url),
        ("its token", str(token_path(settings))),
        ("Kafka", f"{settings.kafka} ({kafka}; send tasks to the topic {settings.namespace}.submit)"),
        ("pipelines", f"{settings.pipelines_dir}{_left_out(registry)}"),
        ("logs", str(settings.home / "logs")),
        ("data", str(settings.home)),
    ])  # fmt: skip
    _rows(screen, "What to try next, in another terminal", [
        ("see what ran", command("list")),
        ("ask in SQL", command(f"sql '{QUESTION}'")),
        ("is all well?", command("doctor")),
    ])  # fmt: skip
    screen.say("\nCtrl-C stops everything; the data stays.")


def _left_out(registry: Registry) -> str:
    """How many files were not loaded; `register` has said why."""
    files = len({error.file for error in registry.errors})
    return f" ({formats.number_of(files, 'file')} not loaded: see above)" if files else ""


def _rows(screen: Screen, title: str, rows: list[tuple[str, str]]) -> None:
    screen.say(f"\n{title}")
    for name, text in rows:
        screen.say(f"  {name:{NAMES}}  {text}")  # never folded: a command is there to be copied


@contextmanager
def _ctrl_c() -> Iterator[None]:
    """SIGTERM and a closed terminal stop us as Ctrl-C does, which a script in the background may have had ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
