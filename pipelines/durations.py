"""Durations in words, wherever people read them."""

_SECOND_MS, _MINUTE, _HOUR, _DAY = 1000, 60, 3600, 86_400
_TENTHS_BELOW = 59.95


def duration(ms: float) -> str:
    """Milliseconds as `840 ms`, `4.2 s`, `3m 12s`, `2h 05m` or `3d 04h`."""
    if round(ms) < _SECOND_MS:
        return f"{round(ms)} ms"
    if ms < _TENTHS_BELOW * 1000:
        return f"{ms / 1000:.1f} s"
    seconds = round(ms / 1000)
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE:02d}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02d}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR:02d}h"
