"""Bytes as a file that no folder has, for a program to read."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

FOR_GOOD = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


@contextmanager
def memory_file(data: bytes) -> Iterator[int]:
    """A descriptor of it, at its beginning; whoever inherits it cannot change it."""
    fd = os.memfd_create("headrace", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, FOR_GOOD)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
