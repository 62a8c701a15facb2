"""An edge that starts or ends beside another one: nobody's call fails for it."""

import asyncio
from typing import Any

from pipelines.ids import from_text
from pipelines.model import ExternalTask
from streams.edge.live import Live
from ui.client import Client


async def test_a_new_edge_knows_what_just_happened(system: Any, client: Client, name: str) -> None:
    """What another edge has told of, and not written to the history yet, is no gap in what this one knows."""
    made = await asyncio.to_thread(client.submit, ExternalTask(id=name), run="r")
    live = Live(system.settings)
    await live.start()
    try:
        assert live.recent.last(from_text(made.execution or ""))
    finally:
        await live.stop()


async def test_an_edge_catches_up_with_what_another_one_has_told(system: Any, client: Client, name: str) -> None:
    """Of what was decided before somebody asks its tail has heard, whoever has told of it first."""
    live = Live(system.settings)
    await live.start()
    try:
        for number in range(20):
            made = await asyncio.to_thread(client.submit, ExternalTask(id=f"{name}-{number}"), run="r")
            await live.caught_up()
            assert live.recent.last(from_text(made.execution or ""))
    finally:
        await live.stop()
