"""Data for a page that must survive the API's absence: the last good answer, its time, and what is wrong now."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Generic, ParamSpec, TypeVar

import streamlit as st

from pipelines.command import command
from ui.client import ApiError
from ui.parts import api

_NOT_OURS = f"The API does not accept this dashboard's token. `{command('doctor')}` says what is wrong."

KEPT = 32
"""Answers kept in a session: more than a page asks for at once."""

Value_co = TypeVar("Value_co", covariant=True)  # an answer is only read
Given = ParamSpec("Given")


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value_co]):
    """A value as of `at`. With `problem` it is the last good one (or none), and the problem says why."""

    value: Value_co | None
    at: datetime
    problem: str | None = None


def ask(name: str, call: Callable[Given, Value_co], *args: Given.args, **kwargs: Given.kwargs) -> Answer[Value_co]:
    """Call the API; where it is away, give the last answer of the same `name` in this session.

    Raises ApiError where the API says no: old data would be a lie there.
    """
    kept: dict[str, Answer[Value_co]] = st.session_state.setdefault("_answers", {})
    try:
        answer = Answer(call(*args, **kwargs), datetime.now(UTC))
    except api.REFUSED as error:
        if not api.away(error):
            kept.pop(name, None)
            raise
        last = kept.get(name)
        return Answer(last.value if last else None, last.at if last else datetime.now(UTC), api.sentence(error))
    _keep(kept, name, answer)
    return answer


def last(name: str) -> Any:
    """The last good answer of this name in this session, or None."""
    kept: dict[str, Answer[Any]] = st.session_state.get("_answers", {})
    return kept[name].value if name in kept else None


def _keep(kept: dict[str, Answer[Value_co]], name: str, answer: Answer[Value_co]) -> None:
    """Remember an answer, and forget those that were asked for longest ago: each filter is a name of its own."""
    kept.pop(name, None)
    kept[name] = answer
    for old in list(kept)[:-KEPT]:
        del kept[old]


def guarded(body: Callable[Given, None]) -> Callable[Given, None]:
    """A page's or fragment's body that says in a sentence what the API refused, and never shows a traceback."""

    @functools.wraps(body)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> None:
        try:
            body(*args, **kwargs)
        except ApiError as error:
            refused = error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
            st.error(_NOT_OURS if refused else "The API refused the request.")
            st.text(str(error))

    return run
