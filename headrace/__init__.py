"""Headrace: a data-pipeline orchestrator built on a stream processor."""

__version__ = "0.1.0"
