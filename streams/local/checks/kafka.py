"""Doctor's look at Kafka: whether it answers, and whether the topics are what the settings want."""

from collections.abc import Iterator

from streams.local import preflight
from streams.local.checks.check import START, Check
from streams.local.lockfile import holder
from streams.local.topics_admin import admin, answers, partitions_of
from streams.settings import Settings
from streams.topics import FITTING, differences, layout


def kafka(settings: Settings) -> Iterator[Check]:
    """Whether a broker answers, and has our topics as they should be."""
    if not answers(settings.kafka):
        yield _silent_kafka(settings)
        return
    yield Check(name="kafka", status="ok", detail=f"a broker answers at {settings.kafka}")
    with admin(settings.kafka) as client:
        have = partitions_of(client)
    wanted = layout(settings)
    if wrong := differences(settings, have):
        yield Check(name="topics", status="fail", detail=wrong[0], mend=FITTING)
    elif missing := [name for name in wanted if name not in have]:
        detail = f"{len(missing)} of {settings.namespace!r} (HEADRACE_NAMESPACE) missing, e.g. {missing[0]}"
        yield Check(name="topics", status="warn", detail=detail, mend=START)
    else:
        yield Check(name="topics", status="ok", detail=f"all {len(wanted)} of {settings.namespace!r}, partitions right")


def _silent_kafka(settings: Settings) -> Check:
    """One of ours that has ended is started again; one that hangs is left alone."""
    detail, log = f"nobody answers at {settings.kafka}", f"{settings.home}/logs/kafka.log"
    port = preflight.kafka_port(settings)
    if not (port and holder(settings.home)):
        return Check(name="kafka", status="warn", detail=detail, mend=START)
    if pid := preflight.listener(port):
        detail = f"process {pid} listens at {settings.kafka}, and does not answer"
        mend = f"where that stays so it hangs: `kill -9 {pid}`, and `up` starts it again; {log} may say why"
    else:
        mend = f"{log} says why; it is started again until it comes up"
    return Check(name="kafka", status="fail", detail=detail, mend=mend)
