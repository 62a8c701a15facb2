"""Whether the edge serves, whom it has heard of, and whether the history keeps up."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from pipelines.views import HealthView, RoleView
from streams.edge.board import FORGOTTEN_AFTER, SILENT_AFTER, Board, RoleStatus, now_ms
from streams.edge.live import Live
from streams.pulse import word


def view(live: Live, trouble: str | None) -> HealthView:
    """Degraded where there is any problem. `trouble`: why nothing new reaches the history."""
    named = tuple(roles(live.board.roles | _answering(), now_ms()))
    problems = tuple(_problems(live, named, trouble))
    return HealthView(
        status="degraded" if problems else "ok",
        version=version("headrace"),
        at=datetime.now(UTC),
        problems=problems,
        roles=named,
    )


def _answering() -> dict[str, RoleStatus]:
    """This process: it lives, whatever came of its word."""
    board = Board()
    key, said = word("edge")
    board.put(key.decode(), said)
    return board.roles


def _problems(live: Live, named: Sequence[RoleView], trouble: str | None) -> Iterator[str]:
    """All words of others come by Kafka: while nothing does, it alone is to blame for their silence."""
    schedulers = [one for one in named if one.role == "scheduler"]
    if not live.following:
        yield "the live tail of Kafka has stopped"
    if live.silent_ms > SILENT_AFTER:
        yield f"Kafka does not answer: nothing has come from it for {live.silent_ms // 1000} s"
    elif not any(one.alive for one in schedulers):
        since = min((one.silent_ms for one in schedulers), default=None)
        yield "no scheduler has been heard of" + (f" for {since // 1000} s" if since else "")
    if trouble:
        yield f"the history falls behind, what happens waits in Kafka for it; ClickHouse: {trouble}"


def roles(heard: Mapping[str, RoleStatus], now: int) -> list[RoleView]:
    """Those that live, and those that fell silent lately; `heard` by the keys of their words.

    Of a role in which none lives it is the one last heard of; of others those in whose place no other one began since.
    """
    said = sorted(heard.items(), key=lambda item: item[1].at)
    newest = {word.role: key for key, word in said}
    missed = set(newest.values()).union(*(_missed([(k, r) for k, r in said if r.role == role], now) for role in newest))
    seen = [
        RoleView(
            role=r.role, name=r.name or key, host=r.host, pid=r.pid, alive=now - r.at <= SILENT_AFTER,
            silent_ms=max(now - r.at, 0),
        )
        for key, r in said
        if now - r.at <= (FORGOTTEN_AFTER if key in missed else SILENT_AFTER)
    ]  # fmt: skip
    return sorted(seen, key=lambda r: (r.role, r.name))


def _missed(said: Sequence[tuple[str, RoleStatus]], now: int) -> set[str]:
    """Keys of those of one role, by their last words, that are silent while others live, and that nobody replaces.

    Who replaced one and has left in order since replaces it no more: whether fewer are wanted now nobody says.
    """
    silent = [(key, word.at) for key, word in said if now - word.at > SILENT_AFTER]
    begun = sorted(word.since for _, word in said)
    missed = set()
    for key, at in silent if len(silent) < len(said) else []:
        if later := next((since for since in begun if since > at), None):
            begun.remove(later)
        else:
            missed.add(key)
    return missed
