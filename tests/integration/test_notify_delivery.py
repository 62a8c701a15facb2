import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.new_topic import NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler
from msgspec.structs import replace
from structlog.testing import capture_logs

from sinks.notify import Notifier, target
from streams.engine.events import Notification
from streams.engine.records import Execution, Rule
from streams.settings import Settings
from streams.topics import Topics

Received = dict[str, Any]


class Receiver:
    """A real HTTP server on loopback that keeps what it is sent; `answer` chooses each answer's status.

    `taken` are the titles of what it answered with 200, whether or not anybody heard the answer.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.taken: list[str] = []
        self.answer: Callable[[int], int] = lambda _: 200
        self.hang = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(said := json.loads(body))
                receiver.hang.wait(30)
                if (status := receiver.answer(len(receiver.received))) == 200:
                    receiver.taken.append(said["title"])
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.handler, self.port = Handler, 0
        self.open()
        self.address = f"json://127.0.0.1:{self.port}/hook?rto=30"

    def open(self) -> None:
        """Listen, always on the same port."""
        self.hang.set()
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def titles(self) -> list[str]:
        """What arrived, by title."""
        return [r["title"] for r in self.received]

    def close(self) -> None:
        """Stop listening."""
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that accepts everything."""
    receiver = Receiver()
    yield receiver
    receiver.close()


class System:
    """Topics of their own on the real broker, and what a test does with them."""

    def __init__(self, kafka: str) -> None:
        self.settings = Settings(
            kafka=kafka,
            namespace=f"test-{uuid.uuid4().hex[:12]}",
            http_private=True,
            notify_attempts=3,
            notify_delay=0.05,
            notify_timeout=2,
        )
        self.topics = Topics.under(self.settings.namespace)
        self.counter = itertools.count(1)

    async def start(self) -> None:
        """Make the topics."""
        self.admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka)
        await self.admin.start()
        topics = [self.topics.notifications, self.topics.dead_letters]
        await self.admin.create_topics([NewTopic(t, 1, 1) for t in topics])
        self.producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka)
        await self.producer.start()

    async def stop(self) -> None:
        """Delete them."""
        await self.producer.stop()
        await self.admin.delete_topics([self.topics.notifications, self.topics.dead_letters])
        await self.admin.close()

    def notification(self, *addresses: str, **rule: str) -> Notification:
        """One for these addresses; its title is its task's name, which no other has."""
        number = next(self.counter)
        execution = Execution(number.to_bytes(16, "big"), f"task.{number:05}", "run", "function", "failed", attempt=1)
        return Notification("failed", 1, Rule(("failed",), addresses, **{"title": "{{ task }}", **rule}), execution)

    async def send(self, *notifications: Notification) -> None:
        """One envelope."""
        await self.producer.send_and_wait(self.topics.notifications, msgspec.msgpack.encode(list(notifications)))

    async def dead_letters(self, count: int) -> list[dict[str, Any]]:
        """The first so many, as any tool reads them."""
        consumer = AIOKafkaConsumer(
            self.topics.dead_letters, bootstrap_servers=self.settings.kafka, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            return [json.loads((await consumer.getone()).value) for _ in range(count)]
        finally:
            await consumer.stop()

    async def committed(self) -> int:
        """The notifier group's offset."""
        try:
            offsets = await self.admin.list_consumer_group_offsets(f"{self.settings.namespace}-notifier")
        except GroupCoordinatorNotAvailableError:  # a broker that has just started
            return -1
        return max((o.offset for o in offsets.values()), default=-1)

    @contextlib.asynccontextmanager
    async def notifier(self, **changes: Any) -> AsyncIterator[Notifier]:
        """A notifier that runs inside the `async with`."""
        notifier = Notifier(self.settings.model_copy(update=changes))
        task = asyncio.create_task(notifier.run())
        try:
            yield notifier
        finally:
            await notifier.stop()
            await task


@pytest.fixture
async def system(kafka: str) -> AsyncIterator[System]:
    """Fresh topics."""
    system = System(kafka)
    await system.start()
    yield system
    await system.stop()


async def until(true: Callable[[], bool], within: float = 60) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110  (what is waited for happens in other processes)
            await asyncio.sleep(0.02)


async def until_committed(system: System, offset: int) -> None:
    """Wait until the group has committed this offset."""
    async with asyncio.timeout(60):
        while await system.committed() < offset:  # noqa: ASYNC110  (the same: it is the broker's)
            await asyncio.sleep(0.05)


async def test_a_notification_arrives_once(system: System, receiver: Receiver) -> None:
    """With title, body and kind; then its offset is committed and nothing is sent again."""
    one = system.notification(receiver.address, title="")
    async with system.notifier():
        await system.send(one)
        await until_committed(system, 1)
    async with system.notifier():
        await system.send(two := system.notification(receiver.address))
        await until_committed(system, 2)
    assert receiver.titles() == ["task.00001 failed", two.execution.task]
    assert receiver.received[0]["type"] == "failure"
    assert "execution: 00000000-0000-0000-0000-000000000001" in receiver.received[0]["message"]


async def test_i8_every_start_goes_on_where_the_last_one_ended(system: System, receiver: Receiver) -> None:
    """What waits at the start is neither overlooked nor repeated, however often a notifier is started."""
    sent = [system.notification(receiver.address) for _ in range(8)]
    for offset, one in enumerate(sent, start=1):
        await system.send(one)
        async with system.notifier():
            await until_committed(system, offset)
    assert receiver.titles() == [n.execution.task for n in sent]


async def test_repeated_notifications_are_sent_once(system: System, receiver: Receiver) -> None:
    """The same happening of the same version to the same address is one notification; another happening is not."""
    one = system.notification(receiver.address)
    other = Notification("late", 1, one.rule, one.execution)
    async with system.notifier():
        await system.send(one, one)
        await system.send(one, other)
        await until_committed(system, 2)
    assert receiver.titles() == [one.execution.task] * 2


async def test_i8_two_rules_with_texts_of_their_own_are_two_notifications(system: System, receiver: Receiver) -> None:
    """An address that two rules of one task name gets both texts, and one text once."""
    one = system.notification(receiver.address, title="first")
    other = replace(one, rule=replace(one.rule, title="second"))
    async with system.notifier():
        await system.send(one, other, replace(one, rule=replace(one.rule, on=("failed", "lost"))))
        await until_committed(system, 1)
    assert sorted(receiver.titles()) == ["first", "second"]


async def test_i8_one_on_which_our_own_code_fails_is_a_dead_letter(system: System, receiver: Receiver) -> None:
    """A value that nobody foresaw (here a time behind the last year) is given up aloud; the next one is delivered."""
    one, two = system.notification(receiver.address), system.notification(receiver.address)
    async with system.notifier():
        await system.send(replace(one, execution=replace(one.execution, due_at=10**15)))
        await system.send(two)
        [letter] = await system.dead_letters(1)
        await until_committed(system, 2)
    assert receiver.titles() == [two.execution.task]
    assert letter["reason"].startswith(
        f"'failed' of task.00001 in run 'run' was not told: json://127.0.0.1:{receiver.port}/…: our own code failed"
    )
    named = {field: letter[field] for field in ("execution", "pipeline", "run")}
    assert named == {"execution": "00000000-0000-0000-0000-000000000001", "pipeline": "task", "run": "run"}


async def test_each_address_gets_its_own(system: System, receiver: Receiver) -> None:
    """One rule, two addresses, one of them wrong: the other is told all the same."""
    one = system.notification("slack://incomplete", receiver.address)
    async with system.notifier():
        await system.send(one)
        [letter] = await system.dead_letters(1)
        await until_committed(system, 1)
    assert receiver.titles() == [one.execution.task]
    assert "slack://… is not complete" in letter["reason"]


async def test_i8_a_receiver_that_is_down_at_first_is_told_later(system: System, receiver: Receiver) -> None:
    """It is tried again until it answers."""
    receiver.close()
    async with system.notifier(notify_attempts=100, notify_delay=0.01):
        await system.send(one := system.notification(receiver.address))
        await asyncio.sleep(0.3)
        assert await system.committed() < 1
        receiver.open()
        await until(lambda: bool(receiver.received))
        await until_committed(system, 1)
    assert receiver.titles() == [one.execution.task]


async def test_i8_errors_are_tried_again_and_then_given_up(system: System, receiver: Receiver) -> None:
    """A status of 500 fails an attempt; after the last one there is a dead letter that names the execution."""
    receiver.answer = lambda n: 200 if n == 3 else 500
    async with system.notifier():
        await system.send(one := system.notification(receiver.address))
        await until_committed(system, 1)
        await system.send(two := system.notification(receiver.address))
        [letter] = await system.dead_letters(1)
        await until_committed(system, 2)
    assert receiver.titles() == [one.execution.task] * 3 + [two.execution.task] * 3
    assert "accepted none of 3 attempts; the last: Failed to send JSON POST notification" in letter["reason"]
    assert (letter["stage"], letter["offset"]) == ("notify", 1)
    assert letter["execution"] == "00000000-0000-0000-0000-000000000002"


async def test_i8_a_hanging_target_holds_up_nobody_else(system: System, receiver: Receiver) -> None:
    """Others get theirs while it hangs; its own become dead letters, all of them."""
    hanging = Receiver()
    hanging.hang.clear()
    stuck = [system.notification(hanging.address) for _ in range(20)]
    free = [system.notification(receiver.address) for _ in range(20)]
    async with system.notifier(notify_timeout=0.5):
        for pair in zip(stuck, free, strict=True):
            await system.send(*pair)
        await until(lambda: len(receiver.received) == 20)
        assert await system.committed() < 1
        letters = await system.dead_letters(20)
        await until_committed(system, 20)
    hanging.close()
    assert receiver.titles() == [n.execution.task for n in free]
    assert {letter["execution"][-2:] for letter in letters} == {f"{n.execution.id[-1]:02x}" for n in stuck}
    assert len(hanging.received) <= 2  # threads that hang are not multiplied


async def test_a_slow_target_is_not_given_up(system: System, receiver: Receiver) -> None:
    """Waiting behind others for longer than a timeout is no failure as long as they get through."""
    receiver.answer = lambda _: time.sleep(0.2) or 200
    async with system.notifier(notify_timeout=0.6, notify_attempts=1):
        await system.send(*(system.notification(receiver.address) for _ in range(10)))
        await until_committed(system, 1)
    assert len(receiver.received) == 10


async def test_i8_a_thousand_reach_a_target_in_every_trouble(
    system: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is down, hangs, answers 500 and is slow in turn: none is missing, and less than 1 % come twice.

    Twice comes what it took twice. In a hang it takes one whose answer nobody hears: that one is sent again.
    """
    monkeypatch.setattr(target, "LONGEST_DELAY", 0.2)
    sent = [system.notification(receiver.address) for _ in range(1_000)]
    with capture_logs() as said:

        async def taken(count: int) -> None:
            await until(lambda: len(receiver.taken) >= count)

        async def met() -> None:
            """Many attempts have failed since now."""
            before = len(failed())
            await until(lambda: len(failed()) >= before + 200)

        def failed() -> list[Any]:
            return [line for line in said if line["event"] == "notification_attempt_failed"]

        async with system.notifier(notify_attempts=100, notify_timeout=0.5):
            for start in range(0, 1_000, 10):
                await system.send(*sent[start : start + 10])
            await taken(100)
            receiver.close()
            await met()
            receiver.open()
            await taken(300)
            receiver.hang.clear()
            await met()
            receiver.hang.set()
            await taken(500)
            receiver.answer = lambda _: 500
            await met()
            receiver.answer = lambda _: time.sleep(0.1) or 200
            await taken(550)
            receiver.answer = lambda _: 200
            await until_committed(system, 100)
    assert set(receiver.taken) == {n.execution.task for n in sent}
    assert len(receiver.taken) - len(sent) < 10


async def test_private_addresses_are_closed_unless_opened(system: System, receiver: Receiver) -> None:
    """By default nothing on loopback is reached: one dead letter, no attempt more."""
    async with system.notifier(http_private=False):
        await system.send(system.notification(receiver.address))
        [letter] = await system.dead_letters(1)
    assert receiver.received == []
    assert f"json://127.0.0.1:{receiver.port}/…: 127.0.0.1 is not a public address" in letter["reason"]


async def test_i11_a_poison_message_stops_nothing(system: System, receiver: Receiver) -> None:
    """Bytes that are no envelope become a dead letter with their beginning; the next one is delivered."""
    async with system.notifier():
        for poison in (b"\xff\x00nonsense", msgspec.msgpack.encode([["wrong"]]), b""):
            await system.producer.send_and_wait(system.topics.notifications, poison)
        await system.producer.send_and_wait(system.topics.notifications, None, key=b"none")
        await system.send(one := system.notification(receiver.address))
        letters = await system.dead_letters(4)
        await until_committed(system, 5)
    assert receiver.titles() == [one.execution.task]
    assert [letter["offset"] for letter in letters] == [0, 1, 2, 3]
    assert letters[0]["first_bytes"] == "\\xff\x00nonsense"


async def test_a_template_that_fails_falls_back(system: System, receiver: Receiver) -> None:
    """The standard text is delivered and says why."""
    async with system.notifier():
        await system.send(system.notification(receiver.address, title="", body="{{ nothing.like.this }}"))
        await until(lambda: bool(receiver.received))
    assert "own template could not be used: line 1 has a Getattr" in receiver.received[0]["message"]


class Mailbox(MailHandler):
    """Keeps the mails it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        """Keep it."""
        self.mails.append(message)


def free_port() -> int:
    """A port that nobody listens on (aiosmtpd cannot tell which one it was given)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A real SMTP server and its port."""
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield mailbox, controller.port
    controller.stop()


async def test_mail_arrives_by_smtp(system: System, mailbox: tuple[Mailbox, int]) -> None:
    """Subject and recipient are right, and an error's line break adds no header."""
    box, port = mailbox
    address = f"mailto://127.0.0.1:{port}?from=headrace@example.org&to=team@example.org&mode=insecure"
    execution = Execution(bytes(16), "task.mail", "run", "function", "failed", error="a\nBcc: all@example.org")
    rule = Rule(("failed",), (address,), title="{{ task }}: {{ error }}")
    async with system.notifier():
        await system.send(Notification("failed", 1, rule, execution))
        await until(lambda: bool(box.mails))
        await until_committed(system, 1)
    [mail] = box.mails
    assert (mail["Subject"], mail["To"]) == ("task.mail: a Bcc: all@example.org", "team@example.org")
    assert mail["Bcc"] is None


def notifier_process(settings: Settings) -> "subprocess.Popen[bytes]":
    """A notifier in a process of its own."""
    code = "import asyncio; from streams.settings import Settings; from sinks.notify import Notifier; "
    code += "asyncio.run(Notifier(Settings()).run())"
    names = ("kafka", "namespace", "http_private", "notify_attempts", "notify_delay")
    environment = {f"HEADRACE_{name.upper()}": str(getattr(settings, name)) for name in names}
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **environment})


async def test_i8_kill_9_of_a_notifier_loses_nothing(system: System, receiver: Receiver) -> None:
    """Of 400 notifications in 40 envelopes, each arrives though the notifier is killed half-way; few arrive twice."""
    sent = [system.notification(receiver.address) for _ in range(400)]
    for start in range(0, 400, 10):
        await system.send(*sent[start : start + 10])
    receiver.answer = lambda _: time.sleep(0.004) or 200
    process = notifier_process(system.settings)
    await until(lambda: len(set(receiver.titles())) >= 150)
    process.kill()
    process.wait()
    async with system.notifier():
        await until(lambda: len(set(receiver.titles())) == 400)
        await until_committed(system, 40)
    times = Counter(receiver.titles())
    assert set(times) == {n.execution.task for n in sent}
    assert sum(n - 1 for n in times.values()) <= 400 * 0.03


async def test_i8_a_notifier_that_was_put_out_of_its_group_goes_on(system: System, receiver: Receiver) -> None:
    """It hung for longer than its session, with deliveries to commit: it joins again, and what came is delivered."""
    async with system.notifier():
        await system.send(system.notification(receiver.address))
        await until_committed(system, 1)
        for _ in range(40):
            await system.send(system.notification(receiver.address))
        await asyncio.sleep(0.01)
        time.sleep(8)  # noqa: ASYNC251  (nothing moves in this process, as when it is stopped)
        for _ in range(5):
            await system.send(system.notification(receiver.address))
            await asyncio.sleep(0.05)
        await until_committed(system, 46)
    assert len(set(receiver.titles())) == 46


async def test_a_notifier_that_began_before_its_topic_learns_of_it(
    kafka: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Within seconds, and not with the next look at the brokers' metadata, after five minutes."""
    system = System(kafka)
    one = system.notification(receiver.address)
    async with system.notifier():
        await until(lambda: "not found in cluster metadata" in caplog.text)
        await system.start()
        await system.send(one)
        await until_committed(system, 1)
    assert receiver.titles() == [one.execution.task]
    await system.stop()


async def test_two_notifiers_share_and_hand_over(system: System, receiver: Receiver) -> None:
    """When one of two leaves in the middle the other goes on; all arrive, hardly any twice."""
    async with system.notifier():
        async with system.notifier():
            for _ in range(20):
                await system.send(*(system.notification(receiver.address) for _ in range(10)))
            await until(lambda: len(receiver.received) >= 50)
        await until(lambda: len(set(receiver.titles())) == 200)
    assert len(receiver.received) <= 210
