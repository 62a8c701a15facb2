"""The pools: who waits where, and how much room there is."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pipelines.command import command
from pipelines.views import PoolView
from ui.parts import clock, formats, places, states

_WAITING, _RUNNING = "pool_waiting", "pool_running"


def pool_table(pools: Sequence[PoolView]) -> None:
    """A row for each pool. The counts of waiting and of running lead to their rows."""
    st.subheader("Pools", anchor=False)
    if not pools:
        st.caption(f"No pool has reported. `{command('worker --pool default')}` starts a worker.")
        return
    _follow(pools, _WAITING, "waiting")
    _follow(pools, _RUNNING, "running")
    st.dataframe(
        _styled(pools), hide_index=True, row_height=32, height="content",
        column_config=_columns(), key="pools", alt="Pools: waiting, oldest wait, running, free slots, workers",
    )  # fmt: skip


def _follow(pools: Sequence[PoolView], key: str, state: str) -> None:
    click = st.session_state.get(key)
    if click and click["row"] < len(pools):
        query = places.listing(state=state, pool=pools[click["row"]].pool)
        st.switch_page(places.EXECUTIONS, query_params=query)


def _unserved(pool: PoolView) -> bool:
    """Whether something waits in it and nobody works."""
    return any(pool.waiting) and not pool.workers


def _styled(pools: Sequence[PoolView]) -> Any:
    """The rows; a pool that nobody serves is marked as what is late is."""
    ink = f"color: {states.colour(states.LATE, clock.theme())}; font-weight: 600"
    inks = [ink if _unserved(pool) else "" for pool in pools]
    return pd.DataFrame([_cells(pool) for pool in pools]).style.apply(lambda _: inks, subset=["Workers"])


def _columns() -> dict[str, Any]:
    button = st.column_config.ButtonColumn
    right = {name: st.column_config.TextColumn(alignment="right") for name in ("Oldest wait", "Slots free", "Workers")}
    return right | {
        "Waiting": button(key=_WAITING, type="tertiary", alignment="right"),
        "Running": button(key=_RUNNING, type="tertiary", alignment="right"),
    }


def _cells(pool: PoolView) -> dict[str, str]:
    waiting = sum(pool.waiting)
    return {
        "Pool": pool.pool,
        "Waiting": formats.count(waiting),
        "Oldest wait": formats.duration(pool.oldest_wait_ms) if waiting else formats.MISSING,
        "Running": formats.count(pool.running),
        "Slots free": f"{formats.count(pool.slots - pool.running)} of {formats.count(pool.slots)}",
        "Workers": _workers(pool),
    }


def _workers(pool: PoolView) -> str:
    if _unserved(pool):
        return f"{states.LATE.icon} none"
    draining = sum(worker.draining for worker in pool.workers)
    return f"{len(pool.workers)}, {draining} draining" if draining else str(len(pool.workers))
