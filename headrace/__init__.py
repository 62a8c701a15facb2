"""Headrace: a data-pipeline orchestrator built on a stream processor."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.clash import refuse_hidden_packages

if TYPE_CHECKING:
    from pipelines.dsl import Pipeline, Skip, task
    from pipelines.events import SubmitEvent
    from streams.client import KafkaClient
    from streams.hearing import BrokerError
    from ui.client import Client

__version__ = "0.1.0"
__all__ = ["BrokerError", "Client", "KafkaClient", "Pipeline", "Skip", "SubmitEvent", "__version__", "task"]

_HOMES = {
    "BrokerError": "streams.hearing",
    "Client": "ui.client",
    "KafkaClient": "streams.client",
    "Pipeline": "pipelines.dsl",
    "Skip": "pipelines.dsl",
    "SubmitEvent": "pipelines.events",
    "task": "pipelines.dsl",
}

refuse_hidden_packages(Path(__file__).parents[1])


def __getattr__(name: str) -> Any:
    """Import what people use when they use it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
