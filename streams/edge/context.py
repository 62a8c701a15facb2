"""What the routes work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from streams.edge.live import Live
from streams.edge.orders import Orders
from streams.edge.reads import Reads
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one edge."""

    settings: Settings
    live: Live
    reads: Reads
    orders: Orders
    trouble: Callable[[], str | None]
    """What ClickHouse said when it last did not take what had happened; none: it took it."""


def _context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


Here = Annotated[Context, Depends(_context)]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the scheduler's first decision; 0: none.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
WAIT = 2.0
