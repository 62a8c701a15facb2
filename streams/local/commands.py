"""The commands `up`, `doctor`, `topics` and `load`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

from streams.settings import Settings, settings

RESTART = (
    "Workers run, and they read their folder (HEADRACE_PIPELINES_DIR) when they start: "
    "restart them before you execute functions that are new or changed.\n"
)
ELSEWHERE = (
    "The worker here reads {its} and knows no function of {folder}: "
    "before you execute one, start Headrace again with HEADRACE_PIPELINES_DIR={folder}.\n"
)


def up(*, once: bool = False) -> None:
    """Start everything on this machine, run the example, and stay up until Ctrl-C.

    Args:
        once: End when the example has ended; the exit code says whether it succeeded.
    """
    from streams.local.up import up as start  # noqa: PLC0415  (other commands need none of it)

    sys.exit(start(settings(), once=once))


def doctor(*, output: Annotated[Literal["table", "json"], Parameter(name=["--output", "-o"])] = "table") -> None:
    """Say what is wrong with this machine or set-up, and how to mend it. Exits with 1 if something fails.

    Args:
        output: A table for people, or JSON for programs.
    """
    from streams.local.doctor import show  # noqa: PLC0415  (other commands need none of it)

    sys.exit(show(settings(), as_json=output == "json"))


def topics() -> None:
    """Make the topics that are missing, where no `headrace up` does it: on a cluster."""
    from streams.local.errors import SetupError  # noqa: PLC0415  (other commands need none of it)
    from streams.local.topics_admin import ensure_topics  # noqa: PLC0415  (the same)

    try:
        made = ensure_topics(settings())
    except SetupError as error:
        sys.exit(f"headrace topics: {error}")
    sys.stdout.write(f"made {len(made)} topics under {settings().namespace!r}\n")


def load(folder: Path | None = None, /) -> None:
    """Make the pipelines of a folder known, where no `headrace up` does it.

    Exits with 1 if one cannot be loaded, or the folder defines nothing.

    An API that is still starting is waited for: 60 s, then the exit code is 5.

    Args:
        folder: Its *.py files are loaded; none: the folder that the settings name, or else that of the running `up`.
    """
    from pipelines.loader import load_folder  # noqa: PLC0415  (other commands need none of it)
    from streams.local.api_there import api_there  # noqa: PLC0415  (the same)
    from streams.local.cluster import local_settings  # noqa: PLC0415  (the same)
    from streams.local.example import register as make_known  # noqa: PLC0415  (the same)
    from streams.local.lockfile import holder  # noqa: PLC0415  (the same)
    from streams.local.preflight import check_folder, check_pipelines  # noqa: PLC0415  (the same)
    from ui.cli.exits import mapped  # noqa: PLC0415  (the same)

    here = local_settings(settings())
    up_runs = holder(here.home)
    its = up_runs.pipelines if up_runs else None
    check_folder(folder, "the command names") if folder else check_pipelines(settings())
    folder = folder or _unnamed(here, its)
    with mapped(), api_there(print) as client:
        registry = load_folder(folder)
        make_known(client, registry, folder, print)
        if not (registry.errors or registry.events()):
            sys.exit(f"headrace load: no *.py file in {folder} defines a task or a pipeline; name the folder of yours")
        if registry.functions:
            sys.stdout.write(_remark(folder, its, any_workers=bool(client.workers())))
    sys.exit(1 if registry.errors else 0)


def _unnamed(here: Settings, its: Path | None) -> Path:
    """The folder that is meant where none is named: that of the settings, or that which the running `up` has."""
    return here.pipelines_dir if its is None or "pipelines_dir" in settings().model_fields_set else its


def _remark(folder: Path, its: Path | None, *, any_workers: bool) -> str:
    """What to know before functions of a folder are executed; `its`: that which the running `up` has."""
    if its and its.resolve() != folder.expanduser().resolve():
        return ELSEWHERE.format(its=its, folder=folder)
    return RESTART if any_workers else ""


def register(app: cyclopts.App) -> None:
    """Add these commands to the command line."""
    app.command(up)
    app.command(doctor)
    app.command(topics)
    app.command(load)
