from types import SimpleNamespace

from streams.envelope import worker_messages
from streams.worker.lane import _opened


def test_i11_a_message_that_is_none_of_ours_is_skipped() -> None:
    """One without a value too: anybody who may write to the topic can leave one."""
    for value in (None, b"", b"\xc1", b"{}"):
        record = SimpleNamespace(topic="t", partition=0, offset=1, value=value)
        assert _opened(record, worker_messages) == []
