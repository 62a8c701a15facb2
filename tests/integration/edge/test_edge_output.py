import threading
import time
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer

from pipelines.ids import from_text
from pipelines.model import ExternalTask
from streams.engine.events import LogLine
from ui.client import ApiError, Client


def line(execution: str, number: int, text: str) -> LogLine:
    """A line as a worker would send it."""
    at = round(time.time() * 1000)
    return LogLine(from_text(execution), 1, number, at, "stdout", "", text, "worker-1")


def say(system: Any, lines: list[LogLine]) -> None:
    """Put lines on the logs topic."""
    producer = KafkaProducer(bootstrap_servers=system.settings.kafka)
    producer.send(system.topics.logs, msgspec.msgpack.encode(lines), partition=0).get(30)
    producer.close()


def until_lines(client: Client, execution: str, count: int) -> list[str]:
    """The text of an execution's output, once there are so many lines."""
    deadline = time.monotonic() + 30
    while len(lines := client.logs(execution)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return [one.text for one in lines]


def test_output_is_read_by_cursor(system: Any, client: Client, name: str) -> None:
    """A cursor goes on behind the line it came with, and one that is none is refused."""
    execution = client.submit(ExternalTask(id=name)).execution or ""
    say(system, [line(execution, n, f"line {n}") for n in range(3)])
    assert until_lines(client, execution, 3) == ["line 0", "line 1", "line 2"]
    [first] = client.logs(execution, limit=1)
    assert [one.text for one in client.logs(execution, after=first.cursor)] == ["line 1", "line 2"]
    with pytest.raises(ApiError) as refused:
        client.logs(execution, after="nonsense")
    assert refused.value.status == 422


def test_output_is_followed_to_its_end(system: Any, client: Client, name: str) -> None:
    """A stream gives the lines that are there, then those that come, and ends when the execution has ended."""
    execution = client.submit(ExternalTask(id=name)).execution or ""
    say(system, [line(execution, 0, "early")])
    until_lines(client, execution, 1)
    seen: list[str] = []
    arrived = threading.Event()

    def follow() -> None:
        for one in client.follow_logs(execution):
            seen.append(one.text)
            arrived.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert arrived.wait(30)
    say(system, [line(execution, 1, "late \u2713\n<b>"), line(execution, 2, "last")])
    with system.client() as other:
        other.finish(execution)
    reader.join(30)
    assert not reader.is_alive()
    assert seen == ["early", "late \u2713\n<b>", "last"]


def test_an_unknown_execution_has_no_stream(client: Client) -> None:
    """The stream of what does not exist is refused before it begins."""
    with pytest.raises(ApiError) as refused:
        list(client.follow_logs("00000000-0000-8000-8000-00000000ffff"))
    assert refused.value.status == 404
