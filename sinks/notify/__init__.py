"""Telling people what happened: NOTIFY, by Apprise."""

from sinks.notify.notifier import Notifier

__all__ = ["Notifier"]
