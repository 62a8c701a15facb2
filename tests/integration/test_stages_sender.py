"""What a sender hands on to the stages beside it, without a fetch."""

import time
import uuid

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.new_topic import NewTopic

from streams.settings import Settings
from streams.stages.incoming import Incoming, Send
from streams.stages.sender import Sender


async def test_only_what_has_the_log_s_own_time_is_handed_on(kafka: str) -> None:
    """The log's own time decides: an answer without it must be read from the log like anybody's."""
    names = {kind: f"sender-{kind.lower()}-{uuid.uuid4().hex[:8]}" for kind in ("LogAppendTime", "CreateTime")}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    near: list[tuple[str, int, Incoming]] = []
    try:
        await admin.create_topics(
            [NewTopic(name, 1, 1, topic_configs={"message.timestamp.type": kind}) for kind, name in names.items()]
        )
        async with Sender(Settings(kafka=kafka), lambda *message: near.append(message)) as send:
            await send([Send(names["CreateTime"], 0, b"a"), Send(names["LogAppendTime"], 0, b"b")])
    finally:
        await admin.delete_topics(list(names.values()))
        await admin.close()
    [(topic, partition, message)] = near
    assert (topic, partition, message.offset, message.value) == (names["LogAppendTime"], 0, 0, b"b")
    assert abs(message.at - time.time() * 1000) < 60_000
