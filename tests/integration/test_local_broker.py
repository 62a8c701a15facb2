import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer

from streams.kafka_there import topics_there
from streams.local.broker import Broker
from streams.local.errors import SetupError
from streams.local.jars import KAFKA, ensure_jars
from streams.local.ports import free_ports, is_free
from streams.local.supervisor import environment
from streams.local.topics_admin import admin, answers, ensure_topics, partitions_of
from streams.settings import Settings
from streams.topics import Topics, layout
from tests.integration.cluster import three_brokers

ROOT = Path(__file__).parents[2]


def settings_for(kafka: str, **more: int) -> Settings:
    """Settings with a namespace of their own."""
    return Settings(kafka=kafka, namespace=f"t-{uuid.uuid4().hex[:12]}", **more)


def forget(settings: Settings) -> None:
    """Remove the topics again."""
    with admin(settings.kafka) as client:
        client.delete_topics(list(layout(settings)))


def write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    """Send values and await each acknowledgement."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    for value in values:
        producer.send(topic, value).get(timeout=30)
    producer.close()


def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """The first `count` values of a topic, as soon as its leader answers."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=60_000
    )
    with contextlib.closing(consumer):
        return [message.value for message in itertools.islice(consumer, count)]


def test_a_broker_keeps_what_it_acknowledged_through_kill_9(tmp_path: Path) -> None:
    """After kill -9 the same folder starts again, on other ports too, with every acknowledged message."""
    first = Broker(tmp_path, *free_ports(2))
    with first:
        settings = settings_for(first.bootstrap)
        ensure_topics(settings)
        topic = Topics.under(settings.namespace).dead_letters
        write(first.bootstrap, topic, [b"one", b"two"])
        first.kill()
        assert is_free(first.port)
    with Broker(tmp_path, *free_ports(2)) as second:
        assert read(second.bootstrap, topic, 2) == [b"one", b"two"]
        assert ensure_topics(settings.model_copy(update={"kafka": second.bootstrap})) == []


def test_a_broker_starts_from_the_classes_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one leaves them in the cache when it ends; the second one has them in its memory."""
    cache = tmp_path / "headrace"
    shutil.copytree(ensure_jars(), cache / f"kafka-{KAFKA}", ignore=shutil.ignore_patterns("*.jsa"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with Broker(tmp_path / "broker", *free_ports(2)):
        assert not list(cache.rglob("*.jsa"))
    [archive] = cache.rglob("*.jsa")
    with Broker(tmp_path / "broker", *free_ports(2)) as second:
        assert second.process
        assert str(archive) in Path(f"/proc/{second.process.pid}/maps").read_text()


def test_a_broker_that_cannot_start_says_why(tmp_path: Path, kafka: str) -> None:
    """A broker whose port is taken ends, and the end of its log is in the error."""
    port = int(kafka.rsplit(":", 1)[1])
    broker = Broker(tmp_path, port, free_ports(1)[0])
    broker.start()
    with pytest.raises(SetupError, match="ended while starting"):
        _wait_for_death(broker)
    broker.stop()


def _wait_for_death(broker: Broker) -> None:
    assert broker.process
    broker.process.wait(60)
    broker.bootstrap = f"127.0.0.1:{free_ports(1)[0]}"  # the port itself answers: it is the other broker's
    broker.wait_ready()


def test_nobody_answers_on_a_free_port() -> None:
    """The readiness check says no, and does not raise, where nothing listens."""
    assert not answers(f"127.0.0.1:{free_ports(1)[0]}")


def test_topics_are_made_once(kafka: str) -> None:
    """The first call makes every topic of the layout with its partitions; the second one makes none."""
    settings = settings_for(kafka, lanes=5, task_partitions=3)
    try:
        assert set(ensure_topics(settings)) == set(layout(settings))
        with admin(kafka) as client:
            have = partitions_of(client)
        assert {name: have[name] for name in layout(settings)} == {n: c for n, (c, _) in layout(settings).items()}
        assert ensure_topics(settings) == []
    finally:
        forget(settings)


async def test_a_role_waits_for_its_topics(kafka: str) -> None:
    """It goes on as soon as all are there; without them, or without a broker, it says what it waited for."""
    settings = settings_for(kafka)
    with pytest.raises(SystemExit, match=r"dead-letters' is missing \(`headrace topics` makes it\)"):
        await topics_there(settings, within=0)
    waiting = asyncio.create_task(topics_there(settings))
    await asyncio.to_thread(ensure_topics, settings)
    try:
        await waiting
    finally:
        await asyncio.to_thread(forget, settings)
    with pytest.raises(SystemExit, match="no Kafka broker answers at"):
        await topics_there(settings_for(f"127.0.0.1:{free_ports(1)[0]}"), within=0)


@pytest.mark.parametrize("role", ["scheduler", "worker", "edge"])
def test_a_process_with_other_partitions_ends_with_a_line(kafka: str, tmp_path: Path, role: str) -> None:
    """As with any wrong setting: what it sent to the wrong partition would be lost, or done twice."""
    settings = settings_for(kafka, task_partitions=4)
    ensure_topics(settings)
    ours = environment(Settings(kafka=kafka, namespace=settings.namespace, home=tmp_path, pipelines_dir=tmp_path))
    line = [sys.executable, "-m", "headrace", role]
    try:
        done = subprocess.run(
            line, env=os.environ | ours, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        forget(settings)
    assert done.returncode == 2
    wrong = f"topic '{settings.namespace}.tasks' has 4 partitions, but the settings want 1"
    assert done.stderr == f"headrace: {wrong}: set that number, or choose another HEADRACE_NAMESPACE\n"


def test_a_topic_with_other_partitions_is_refused(kafka: str) -> None:
    """Settings that do not fit the topics are an error which names the topic and both numbers."""
    settings = settings_for(kafka)
    ensure_topics(settings)
    try:
        with pytest.raises(SetupError, match=r"tasks' has 1 partition, but the settings want 7"):
            ensure_topics(settings.model_copy(update={"task_partitions": 7}))
    finally:
        forget(settings)


def test_no_broker_is_one_clear_line() -> None:
    """Administration without a broker names the address and the setting."""
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(SetupError, match=f"no Kafka broker answers at {nowhere}"):
        ensure_topics(settings_for(nowhere))


def test_the_broker_listens_on_the_loopback_only(tmp_path: Path) -> None:
    """Every address in the broker's own configuration is 127.0.0.1."""
    properties = Broker(tmp_path, 9092, 9093).properties()
    addresses = properties["listeners"].split(",") + properties["controller.quorum.voters"].split(",")
    assert all("127.0.0.1:" in address for address in addresses)
    assert not list(tmp_path.iterdir())


def test_three_brokers_lose_one_and_nothing_else(tmp_path: Path) -> None:
    """What a cluster acknowledged is read from it after kill -9 of one of its brokers."""
    with three_brokers(tmp_path) as (nodes, cluster):
        settings = settings_for(cluster, replication=3)
        ensure_topics(settings)
        topic = Topics.under(settings.namespace).submit
        write(cluster, topic, [b"kept"])
        nodes[0].kill()
        assert read(nodes[1].bootstrap, topic, 1) == [b"kept"]
