"""Doctor's look at Kafka: whether it answers, and has our topics as the settings want them, with all their copies."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kafka.errors import KafkaError

from streams.local import preflight
from streams.local.checks.check import START, Check, unanswered
from streams.local.errors import SetupError
from streams.local.lockfile import holder
from streams.local.ports import listens
from streams.local.topics_admin import CLUSTER, admin, answers, asked
from streams.settings import Settings
from streams.topics import FITTING, differences, layout
from ui.parts import formats

WAIT = "nothing, while that goes by: it does so by itself; where it stays so, the logs of the brokers say why"

Topic = Mapping[str, Any]
"""A topic as kafka-python describes it."""


def kafka(settings: Settings) -> Iterator[Check]:
    """Whether a broker answers, has our topics as they should be, and whether others are missing that have copies."""
    if not answers(settings.kafka):
        detail, log = f"nobody answers at {settings.kafka}", settings.home / "logs" / "kafka.log"
        port = preflight.kafka_port(settings) if holder(settings.home) else None
        yield unanswered("kafka", settings.kafka, detail, port, log)
        return
    yield Check(name="kafka", status="ok", detail=f"a broker answers at {settings.kafka}")
    try:
        yield from _described(settings)
    except (SetupError, KafkaError) as error:
        detail = f"what topics there are cannot be asked: {error}"
        yield Check(name="topics", status="warn", detail=detail, mend="ask again: a broker may be coming or going")


def _described(settings: Settings) -> Iterator[Check]:
    with admin(settings.kafka, within_ms=2_000) as client:
        topics = asked(client.describe_topics)
        brokers = asked(client.describe_cluster)["brokers"]
    yield _topics(settings, {topic["name"]: len(topic["partitions"]) for topic in topics})
    there = {broker["broker_id"] for broker in brokers if _is_there(broker)}
    yield from copies([topic for topic in topics if topic["name"].startswith(f"{settings.namespace}.")], there)


def _topics(settings: Settings, have: dict[str, int]) -> Check:
    wanted = layout(settings)
    if wrong := differences(settings, have):
        return Check(name="topics", status="fail", detail=wrong[0], mend=FITTING)
    if missing := [name for name in wanted if name not in have]:
        detail = f"{len(missing)} of {settings.namespace!r} (HEADRACE_NAMESPACE) missing, e.g. {missing[0]}"
        return Check(name="topics", status="warn", detail=detail, mend=START)
    return Check(name="topics", status="ok", detail=f"all {len(wanted)} of {settings.namespace!r}, partitions right")


class _Partition(NamedTuple):
    """A partition: whether a broker leads it, which brokers should have it, and which have all of it."""

    name: str
    led: bool
    wanted: frozenset[int]
    whole: frozenset[int]

    @property
    def stands(self) -> bool:
        """Whether it takes nothing: of three copies two must have it before it is acknowledged."""
        return not self.led or len(self.whole) < (2 if len(self.wanted) >= CLUSTER else 1)


def copies(topics: Sequence[Topic], there: Collection[int]) -> Iterator[Check]:
    """Which partitions lack copies while only these brokers are there; where none does, nothing is said."""
    partitions = [_partition(topic["name"], one, there) for topic in topics for one in topic["partitions"]]
    short = [one for one in partitions if not one.led or one.whole < one.wanted]
    if not short:
        return
    who = sorted(frozenset[int]().union(*(one.wanted - one.whole for one in short)))
    gone = [broker for broker in who if broker not in there]
    stand = [one for one in short if one.stands]
    what = "take nothing, since too few brokers have them" if stand else "have fewer copies than wanted"
    some = stand or short
    number = f"{len(some):,} of {formats.number_of(len(partitions), 'partition')} (e.g. {some[0].name})"
    yield Check(
        name="copies",
        status="fail" if stand else "warn",
        detail=f"{number} {what}: {_missing(gone) if gone else _behind(who)}",
        mend=_start_again(gone, standing=bool(stand)) if gone else WAIT,
    )


def _is_there(broker: Mapping[str, Any]) -> bool:
    """Whether the others have heard of it; where too few are left to decide that, whether its port is open."""
    return not broker.get("is_fenced") and listens(f"{broker['host']}:{broker['port']}")


def _partition(topic: str, one: Mapping[str, Any], there: Collection[int]) -> _Partition:
    wanted, whole = frozenset(one["replica_nodes"]), frozenset(one["isr_nodes"]).intersection(there)
    return _Partition(f"{topic}-{one['partition_index']}", one["leader_id"] >= 0, wanted, whole)


def _brokers(numbers: Sequence[int]) -> str:
    return f"{'broker' if len(numbers) == 1 else 'brokers'} {' and '.join(map(str, numbers))}"


def _missing(gone: Sequence[int]) -> str:
    return f"{_brokers(gone)} {'is' if len(gone) == 1 else 'are'} missing"


def _behind(who: Sequence[int]) -> str:
    if not who:
        return "all have them, and none leads them yet"
    return f"{_brokers(who)} {'is' if len(who) == 1 else 'are'} there, and not up to date yet"


def _start_again(gone: Sequence[int], *, standing: bool) -> str:
    meanwhile = "what stands goes on by itself then" if standing else "all goes on meanwhile, with fewer copies"
    hung = "it hangs" if len(gone) == 1 else "one hangs"
    return f"start {_brokers(gone)} again (`kill -9` first where {hung}; its log says why); {meanwhile}"
