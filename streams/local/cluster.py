"""All of Headrace on this machine: the checks, Kafka with the roles, and the topics, for which they wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pipelines
from streams.local import preflight
from streams.local.broker import STOP_WITHIN, Broker
from streams.local.farewell import drain
from streams.local.lockfile import only_one
from streams.local.ports import listens
from streams.local.supervisor import Role, Supervisor, role
from streams.local.topics_admin import answers, ensure_topics
from streams.settings import Settings

BEHIND = 5
"""How much nicer the edge is than the others: what ClickHouse does in it can wait for them, and comes in bursts."""

HANGS_AFTER = 15.0
"""Seconds: a broker that meets a full disk while it starts hangs in its own shutdown, also when there is room again."""

EXAMPLES = Path(pipelines.__file__).with_name("examples")


def local_settings(settings: Settings) -> Settings:
    """Settings completed for one machine: whole paths, the examples where no folder is named."""
    folder = settings.pipelines_dir if "pipelines_dir" in settings.model_fields_set else EXAMPLES
    whole = {"home": settings.home, "pipelines_dir": folder}
    return settings.model_copy(update={name: path.absolute() for name, path in whole.items()})


def kafka_role(settings: Settings, port: int) -> Role:
    """Our own broker as a role; formats its folder on the first start. Raises SetupError."""
    broker = Broker(settings.home / "kafka", port, port + 1)
    log = settings.home / "logs" / "kafka.log"
    ready, command = partial(answers, broker.bootstrap), tuple(broker.prepare())
    return Role("kafka", command, log, ready, patience=STOP_WITHIN, may_idle=HANGS_AFTER)


def roles(settings: Settings) -> list[Role]:
    """The roles that Kafka is for. They wait for their topics, so that all may start at once."""
    return [
        role("scheduler", settings),
        replace(role("edge", settings), nice=BEHIND),
        role("worker", settings, patience=settings.drain_timeout + 5),
    ]


def dashboard_role(settings: Settings) -> Role:
    """The dashboard, which is ready when it listens."""
    url = f"127.0.0.1:{settings.dashboard_port}"
    return replace(role("dashboard", settings, patience=5), is_ready=lambda: listens(url))


@contextmanager
def running(settings: Settings, say: Callable[[str], None], supervisor: Supervisor) -> Iterator[None]:
    """Kafka and its roles up while inside; everything stopped, in order, when left.

    Raises SetupError, and SettingsError for a setting that cannot be.
    """
    preflight.check_home(settings.home)
    with only_one(settings.home, settings.pipelines_dir):
        preflight.check_disk(settings.home)
        preflight.check_ports(preflight.ports(settings))
        say(f"Starting Headrace in {settings.home}")
        try:
            port = preflight.kafka_port(settings)
            kafka = supervisor.launch([kafka_role(settings, port)] if port else [])
            others = supervisor.launch(roles(settings))
            supervisor.wait(kafka)
            if made := ensure_topics(settings):
                say(f"Made {len(made)} topics under {settings.namespace!r}.")
            supervisor.wait(others)
            yield
        finally:
            try:
                drain(settings, supervisor.child("worker"), say)
            finally:
                supervisor.stop()
