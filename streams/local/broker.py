"""A real Kafka broker of our own, in KRaft mode, in a folder of its own, on the loopback only."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.local import children
from streams.local.errors import SetupError, last_lines
from streams.local.jars import ensure_jars
from streams.local.java import require_java
from streams.local.topics_admin import answers

CLUSTER = "aGVhZHJhY2UtbG9jYWwtMQ"
"""The cluster's id: 16 bytes in base64."""

HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
COMPILER = "-XX:TieredStopAtLevel=1"
"""Java's quick compiler alone: the other one costs more than it wins for minutes, and what it watches is slower."""

READY_WITHIN = 60.0
STOP_WITHIN = 20.0
LONGEST_MS = 2_000_000_000
"""About 23 days: what fits into Kafka's 32 bits."""
YEAR_MINUTES = 365 * 24 * 60

LOGGING = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c{1})%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server
logger.server.level=INFO
"""


class Broker:
    """One broker, which is its own controller unless `voters` names several."""

    def __init__(
        self, folder: Path, port: int, controller_port: int, node: int = 1, voters: Mapping[int, int] | None = None
    ) -> None:
        """Nothing is started or written yet. `voters`: the controller port of every node."""
        self.folder = folder
        self.port = port
        self.node = node
        self.controller_port = controller_port
        self.voters = voters or {node: controller_port}
        self.bootstrap = f"127.0.0.1:{port}"
        self.log = folder / "kafka.log"
        self.process: subprocess.Popen[bytes] | None = None

    def properties(self) -> dict[str, str]:
        """The broker's configuration; what differs from Kafka's defaults says why."""
        copies = str(min(3, len(self.voters)))
        safe = "2" if len(self.voters) > 2 else "1"  # noqa: PLR2004  (a majority of three)
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node),
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in self.voters.items()),
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",  # a mistyped name is an error, not a new topic
            "min.insync.replicas": safe,
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": safe,
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": safe,
            "group.min.session.timeout.ms": "1000",  # a dead scheduler is noticed within 2 s
            "group.initial.rebalance.delay.ms": "0",
            "broker.session.timeout.ms": "2000",  # and so is a dead broker
            "broker.heartbeat.interval.ms": "500",
            "transactional.id.expiration.ms": str(LONGEST_MS),  # changelog fences must not be forgotten
            "producer.id.expiration.ms": str(LONGEST_MS),
            "offsets.retention.minutes": str(YEAR_MINUTES),  # a system switched off for weeks goes on
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        }

    def start(self) -> None:
        """Start the process. Raises SetupError."""
        self.process = children.start(self.prepare(), self.log)

    def prepare(self) -> list[str]:
        """Write the configuration, format the folder if it is new; the command that runs. Raises SetupError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOGGING)
        lines = [f"{name}={value}\n" for name, value in self.properties().items()]
        self._config.write_text("".join(lines))
        java, jars = require_java(), ensure_jars()
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        options = [*HEAP, logging, "-cp", f"{jars}/*"]
        if not (self.folder / "data" / "meta.properties").exists():
            self._format([str(java.command), *options])
        return [str(java.command), COMPILER, *java.start_quickly(jars), *options, "kafka.Kafka", str(self._config)]

    @property
    def _config(self) -> Path:
        return self.folder / "server.properties"

    def _format(self, java: list[str]) -> None:
        command = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._config)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  (our own Kafka)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().partition("\n")[0]
            raise SetupError(f"Kafka could not format {self.folder}: {said[:300]}")

    def wait_ready(self, within: float = READY_WITHIN) -> None:
        """Return once the broker answers a metadata request. Raises SetupError where it died or is silent too long."""
        deadline = time.monotonic() + within
        while not answers(self.bootstrap):
            if self.process and self.process.poll() is not None:
                raise SetupError(f"Kafka ended while starting; the end of {self.log}:{last_lines(self.log)}")
            if time.monotonic() > deadline:
                raise SetupError(f"Kafka did not answer within {within:.0f} s; see {self.log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the broker in order; its data stays."""
        if self.process:
            children.stop(self.process, STOP_WITHIN)
            self.process = None

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process:
            children.stop(self.process, 0)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def brokers(folder: Path, ports: Sequence[int]) -> list[Broker]:
    """Several brokers that are one cluster, not started yet: two ports for each of them."""
    half = len(ports) // 2
    voters = {node: ports[half + node - 1] for node in range(1, half + 1)}
    return [Broker(folder / f"node-{n}", ports[n - 1], controller, n, voters) for n, controller in voters.items()]
