"""What a worker keeps from one incarnation to the next."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from streams.settings import Settings
from streams.worker.attempts import Attempts
from streams.worker.kinds.base import Kind
from streams.worker.output import LogSender
from streams.worker.pace import Pace
from streams.worker.processes import Floor, Processes


@dataclass(frozen=True)
class Tools:
    """Connections, warm processes and what was learned."""

    settings: Settings
    producer: AIOKafkaProducer
    lines: LogSender
    processes: Processes
    kinds: Mapping[str, Kind]
    pace: Pace

    def attempts(self, floor: Floor) -> Attempts:
        """A place to run attempts for one incarnation."""
        return Attempts(self.kinds, floor, self.lines, self.settings.output_limit)
