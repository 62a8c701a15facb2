"""What a stage needs of its tables. Everything else in this room is how."""

from streams.state.memory import MemoryPartition
from streams.state.partition import (
    BATCH_BYTES,
    BatchTooLargeError,
    Change,
    ClosedError,
    Derive,
    Partition,
    StateError,
    batch_bytes,
)

__all__ = [
    "BATCH_BYTES",
    "BatchTooLargeError",
    "Change",
    "ClosedError",
    "Derive",
    "MemoryPartition",
    "Partition",
    "StateError",
    "batch_bytes",
]
