"""The topics: their names, who keys them by what, and how Kafka keeps them."""

import zlib
from dataclasses import dataclass

from streams.settings import Settings, SettingsError

ENVELOPE_BYTES = 500_000
"""Where an envelope is split; one command alone may be larger."""

GATHER = 0.005
"""Seconds that whoever is busy lets pass between two requests or batches: each costs the same, whatever is in it."""

MESSAGE_LIMIT = 16 * 1024 * 1024
"""`max.message.bytes` of the topics that carry envelopes and changelogs."""

NEWS_MS = 2_000
"""How soon a member of a group notices that somebody has made its topics, which it may have missed at its start."""

HOUR = 3_600_000

FITTING = "set that number, or choose another HEADRACE_NAMESPACE"
"""What to do about a difference."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Names under one namespace."""

    submit: str
    tasks: str
    ready: str
    dispatch: str
    workers: str
    events: str
    logs: str
    notifications: str
    dead_letters: str
    status: str

    @classmethod
    def under(cls, namespace: str) -> "Topics":
        """`headrace` gives `headrace.submit` and so on."""
        names = {f: f"{namespace}.{f.replace('_', '-')}" for f in cls.__dataclass_fields__}
        return cls(**names)


def group(settings: Settings, role: str) -> str:
    """The consumer group of a role's processes."""
    return f"{settings.namespace}-{role}"


def pool_partition(pool: str, partitions: int) -> int:
    """The partition of headrace.ready that orders a pool."""
    return zlib.crc32(pool.encode()) % partitions


def layout(settings: Settings) -> dict[str, tuple[int, dict[str, str]]]:
    """Partitions and configuration of every topic, by name (changelogs are the state room's own)."""
    t = Topics.under(settings.namespace)
    keep = {"retention.ms": str(48 * HOUR), "max.message.bytes": str(MESSAGE_LIMIT)}
    # the log's own time decides (see the engine), also of what is kept: a producer's clock may be days behind
    ordered = {**keep, "message.timestamp.type": "LogAppendTime"}
    short = {**keep, "retention.ms": str(2 * HOUR), "segment.ms": str(HOUR)}
    long = {**keep, "retention.ms": str(14 * 24 * HOUR)}
    return {
        t.submit: (settings.submit_partitions, ordered),
        t.tasks: (settings.task_partitions, ordered),
        t.ready: (settings.ready_partitions, ordered),
        t.dispatch: (settings.lanes, short),
        t.workers: (1, short),
        t.events: (settings.event_partitions, long),
        t.logs: (settings.event_partitions, long),
        t.notifications: (settings.event_partitions, long),
        t.dead_letters: (1, long),
        t.status: (1, {"cleanup.policy": "compact", "segment.ms": str(HOUR), "max.message.bytes": str(MESSAGE_LIMIT)}),
    }


def differences(settings: Settings, have: dict[str, int]) -> list[str]:
    """One line for each topic whose partitions are not what the settings say."""
    return [
        f"topic {name!r} has {have[name]} partition{'s' if have[name] > 1 else ''}, but the settings want {want}"
        for name, (want, _) in layout(settings).items()
        if name in have and have[name] != want
    ]


def must_fit(settings: Settings, have: dict[str, int]) -> None:
    """Raise SettingsError where a topic has other partitions: what goes to a wrong one is lost, or done twice."""
    if wrong := differences(settings, have):
        raise SettingsError(f"{wrong[0]}: {FITTING}")
