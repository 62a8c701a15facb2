"""What has arrived and not started: a heap, the most critical first."""

import heapq
from collections import deque

from streams.engine.records import Job

Key = tuple[bytes, int]
"""An attempt: (execution id, attempt number)."""

REMEMBERED = 100_000
"""Attempts that a worker knows again; a repetition comes within seconds, not after so many."""


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
    """Tells a repeated job from a new one, in bounded memory."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._known: set[Key] = set()
        self._order: deque[Key] = deque()
        self._remembered = remembered

    def first(self, key: Key) -> bool:
        """Whether this attempt has not been seen before."""
        if key in self._known:
            return False
        self._known.add(key)
        self._order.append(key)
        if len(self._order) > self._remembered:
            self._known.discard(self._order.popleft())
        return True
