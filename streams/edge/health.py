"""Whether the edge serves, whom it has heard of, and whether the history keeps up."""

from datetime import UTC, datetime
from importlib.metadata import version

from pipelines.views import HealthView, RoleView
from streams.edge.board import FORGOTTEN_AFTER, SILENT_AFTER, Board, now_ms
from streams.edge.live import Live


def view(live: Live, trouble: str | None) -> HealthView:
    """Degraded means that the edge's own tables may be old. `trouble`: why nothing new reaches the history."""
    named = tuple(roles(live.board, now_ms()))
    problems = [] if live.following else ["the live tail of Kafka has stopped"]
    if not any(one.role == "scheduler" and one.alive for one in named):
        problems.append(f"no scheduler has been heard of for {SILENT_AFTER // 1000} s")
    if trouble:
        problems.append(f"the history falls behind, what happens waits in Kafka for it; ClickHouse: {trouble}")
    return HealthView(
        status="ok" if live.following else "degraded",
        version=version("headrace"),
        at=datetime.now(UTC),
        problems=tuple(problems),
        roles=named,
    )


def roles(board: Board, now: int) -> list[RoleView]:
    """Those that live, and of a role in which none does the one last heard of."""
    said = sorted(board.roles.items(), key=lambda item: item[1].at)
    newest = {word.role: key for key, word in said}
    seen = [
        RoleView(
            role=r.role, name=r.name or key, host=r.host, pid=r.pid, alive=now - r.at <= SILENT_AFTER,
            silent_ms=max(now - r.at, 0),
        )
        for key, r in said
        if now - r.at <= (FORGOTTEN_AFTER if key == newest[r.role] else SILENT_AFTER)
    ]  # fmt: skip
    return sorted(seen, key=lambda r: (r.role, r.name))
