"""Whether a process does anything: one that hangs at its start never ends by itself."""

import psutil

SHARE = 0.05
"""Of a processor: who uses less does next to nothing."""

BYTES = 2**20
"""Read or written since the last sign of work: who moved more is at work, however slow its disk is."""


class Idle:
    """Watches one process. Times are monotonic seconds."""

    def __init__(self, pid: int, now: float) -> None:
        self._pid = pid
        self._since, self._seen = now, self._work()

    def seconds(self, now: float) -> float:
        """For how long it has done next to nothing."""
        (cpu, moved), (cpu_before, moved_before) = self._work(), self._seen
        if cpu - cpu_before > SHARE * max(now - self._since, 1.0) or moved - moved_before > BYTES:
            self._since, self._seen = now, (cpu, moved)
        return now - self._since

    def _work(self) -> tuple[float, float]:
        """Processor seconds, and bytes from and to disks."""
        try:
            process = psutil.Process(self._pid)
            times, disk = process.cpu_times(), process.io_counters()
        except psutil.Error:  # it has ended: whoever started it will see
            return 0.0, 0.0
        return times.user + times.system, disk.read_bytes + disk.write_bytes
