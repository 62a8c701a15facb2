"""Why a command changes nothing. A stale one is nobody's fault; a wrong one goes to the dead letters."""

from msgspec import Struct


class Rejection(Struct, frozen=True):
    """`reason` is a sentence for people; `stale` ones are only counted."""

    reason: str
    stale: bool = False
    execution: bytes = b""
