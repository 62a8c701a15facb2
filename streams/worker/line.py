"""What has arrived and not started: a heap, the most critical first."""

import heapq
import time

from streams.engine.records import Job

Key = tuple[bytes, int]
"""An attempt: (execution id, attempt number)."""

REMEMBERED = 100_000
"""Attempts that have ended and are known again, at least."""

REMEMBERED_FOR = 30.0
"""Seconds for which all of them are, however many: a takeover repeats what its table still has on a worker, and the
table may lag behind by as long as the takeover took."""


def key_of(job: Job) -> Key:
    """The attempt that a job is."""
    return job.execution, job.attempt


def order_of(job: Job) -> tuple[int, int, int]:
    """Its place: priority first, then deadline, then arrival."""
    return 9 - job.priority, job.deadline, job.seq


class Line:
    """Jobs that wait, ordered. Taking one out of the middle only crosses it out; the head skips what is crossed out."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Key]] = []
        self._jobs: dict[Key, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def push(self, job: Job) -> None:
        """Add one."""
        key = key_of(job)
        self._jobs[key] = job
        heapq.heappush(self._heap, (9 - job.priority, job.deadline, job.seq, key))

    def head(self) -> Job | None:
        """The most critical one; it stays."""
        while self._heap:
            if job := self._jobs.get(self._heap[0][3]):
                return job
            heapq.heappop(self._heap)
        return None

    def pop(self) -> Job:
        """Take the most critical one. Raises IndexError when none waits."""
        while True:
            if job := self._jobs.pop(heapq.heappop(self._heap)[3], None):
                return job

    def remove(self, key: Key) -> bool:
        """Take that attempt out; whether it was there."""
        return self._jobs.pop(key, None) is not None

    def take_last(self, count: int) -> list[Job]:
        """Take the `count` least critical ones."""
        last = heapq.nlargest(count, self._jobs.values(), key=order_of)
        for job in last:
            del self._jobs[key_of(job)]
        return last


class Once:
    """Tells a repeated job from a new one, for as long as the worker has it, and for a while after its end.

    What has ended is kept in two generations: a full one makes way for the next, so that memory stays bounded.
    """

    def __init__(self, remembered: int = REMEMBERED, seconds: float = REMEMBERED_FOR) -> None:
        self._held: set[Key] = set()
        self._ended: set[Key] = set()
        self._before: set[Key] = set()
        self._since = time.monotonic()
        self._remembered, self._seconds = remembered, seconds

    def first(self, key: Key) -> bool:
        """Whether this attempt has not been seen before; if so, the worker has it from now on, until `ended`."""
        if key in self._held or key in self._ended or key in self._before:
            return False
        self._held.add(key)
        return True

    def has(self, key: Key) -> bool:
        """Whether the worker has this attempt now."""
        return key in self._held

    def ended(self, key: Key) -> None:
        """The worker does not have this attempt any more, and shall not start it if it comes (again)."""
        self._held.discard(key)
        self._ended.add(key)
        if len(self._ended) >= self._remembered and (now := time.monotonic()) - self._since >= self._seconds:
            self._before, self._ended, self._since = self._ended, set(), now
