"""How long a failed attempt waits for the next one."""

import hashlib

from streams.engine.records import RetryPolicy

LOSS_DELAY = 200
"""Milliseconds before an execution whose worker was lost stands in line again."""

LOSS_LIMIT = 10
"""Workers that one execution may take down with it before it fails."""


def retry_delay(policy: RetryPolicy, execution: bytes, failures: int) -> int:
    """Milliseconds after the `failures`-th failure: exponential, capped, with jitter seeded by the id.

    The jitter only ever shortens or lengthens by `policy.jitter` of the delay, and the same execution
    always waits the same time, so that a replayed log decides the same.
    """
    exponent = min(failures - 1, 64)
    delay = min(policy.delay * policy.factor**exponent, float(policy.max_delay))
    seed = hashlib.blake2b(execution + failures.to_bytes(4, "big"), digest_size=4).digest()
    spread = int.from_bytes(seed, "big") / 0xFFFFFFFF * 2 - 1
    return max(0, round(delay * (1 + policy.jitter * spread)))
