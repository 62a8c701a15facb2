"""Figures for Prometheus: what this process counts itself, and what the board says of pools and processes."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.edge.board import Board, now_ms

REQUESTS = Counter("headrace_edge_requests", "Requests by route and status.", ["method", "route", "status"])


class BoardCollector(Collector):
    """Pools and processes, as of now."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """All gauges."""
        waiting = GaugeMetricFamily("headrace_waiting", "Executions in line.", labels=["pool", "priority"])
        slots = GaugeMetricFamily("headrace_slots", "Slots of the pool's workers.", labels=["pool"])
        running = GaugeMetricFamily("headrace_running", "Slots in use.", labels=["pool"])
        silent = GaugeMetricFamily("headrace_silent_seconds", "Since a process last spoke.", labels=["role", "name"])
        for name, pool in self._board.pools.items():
            for priority, count in enumerate(pool.waiting):
                waiting.add_metric([name, str(priority)], count)
            slots.add_metric([name], pool.slots)
            running.add_metric([name], pool.running)
        now = now_ms()
        for key, role in self._board.roles.items():
            silent.add_metric([role.role, role.name or key], (now - role.at) / 1000)
        yield from (waiting, slots, running, silent)


def render(board: Board) -> bytes:
    """Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(BoardCollector(board))
    return generate_latest(REGISTRY) + generate_latest(registry)


class Counting:
    """Counts requests by the route that answered, never by the path, which anyone can choose."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                REQUESTS.labels(scope["method"], route, message["status"]).inc()
            await send(message)

        return await self._app(scope, receive, counted)
