"""The steps of a history: round ones, which people read."""

from datetime import timedelta
from math import ceil

MOST = 120
"""Steps of one history, about."""

ROUND = tuple(timedelta(minutes=n) for n in (1, 5, 15, 30, 60, 120, 360, 720))
DAY = timedelta(days=1)


def step_of(span: timedelta) -> timedelta:
    """How long each step of a history of `span` is: the shortest round one that makes no more than MOST, or days."""
    least = span / MOST
    return next((step for step in ROUND if step >= least), ceil(least / DAY) * DAY)
