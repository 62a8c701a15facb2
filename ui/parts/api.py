"""The dashboard's access to the HTTP API: typed answers, and an error for each thing a page can do about it."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx
import streamlit as st
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from pipelines.views import Accepted, ExecutionPage, ExecutionView, LogView, OverviewView

Params = Mapping[str, str | int | Sequence[str]]
Match = Mapping[str, str | Sequence[str]]
Verb = Literal["cancel", "retry"]
Shape = TypeVar("Shape")

_TIMEOUT = httpx.Timeout(5.0, connect=1.0)
_GONE = {502, 503, 504}
_NOT_ALLOWED = {401, 403}


class ApiError(Exception):
    """The API's answer was no."""


class AwayError(ApiError):
    """The API cannot be reached, or says that it is not ready."""


class NotFoundError(ApiError):
    """There is no such thing, or no longer."""


class NotAllowedError(ApiError):
    """The token is missing, old, or not enough for this."""


class Refusal(BaseModel):
    """Why one of many was left alone."""

    execution: str
    detail: str = ""


class BulkAnswer(BaseModel):
    """What became of a request about many."""

    accepted: int
    refused: tuple[Refusal, ...] = ()


def base_url() -> str:
    """Where the API is: HEADRACE_EDGE_URL."""
    return os.environ.get("HEADRACE_EDGE_URL", "http://127.0.0.1:8090")


def token() -> str | None:
    """The API's token, read anew each time because a restart of the API may have written another."""
    path = os.environ.get("HEADRACE_TOKEN_FILE")
    file = Path(path) if path else Path("~/.headrace/api-token").expanduser()
    try:
        return file.read_text().strip()
    except OSError:
        return None


@st.cache_resource
def _http(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=_TIMEOUT, trust_env=False)


def _request(method: str, path: str, params: Params | None = None, body: JsonValue = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"} if (secret := token()) else {}
    try:
        answer = _http(base_url()).request(method, path, params=params, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise AwayError(f"{base_url()} does not answer ({type(error).__name__})") from error
    if answer.is_success:
        return answer
    raise _error(answer)


def _error(answer: httpx.Response) -> ApiError:
    says = _detail(answer)
    if answer.status_code in _GONE or answer.is_server_error:
        return AwayError(f"{base_url()} says: {says}")
    if answer.status_code in _NOT_ALLOWED:
        return NotAllowedError(says)
    return NotFoundError(says) if answer.status_code == httpx.codes.NOT_FOUND else ApiError(says)


def _detail(answer: httpx.Response) -> str:
    """What a problem+json answer says, or the status where the answer is something else."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict) and isinstance(said := problem.get("detail") or problem.get("title"), str):
        return said
    return f"{answer.status_code} {answer.reason_phrase}"


def _read(kind: type[Shape], content: bytes) -> Shape:
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        raise AwayError(f"{base_url()} speaks another version ({error.error_count()} fields differ)") from error


def _get(kind: type[Shape], path: str, params: Params | None = None) -> Shape:
    return _read(kind, _request("GET", path, params).content)


@st.cache_data(ttl=1, show_spinner=False, max_entries=64)
def _overview(url: str, since: str) -> OverviewView:
    del url  # part of the cache's key only
    return _get(OverviewView, "/v1/overview", {"since": since})


def overview(since: datetime) -> OverviewView:
    """Whether all is well since `since`; shared for a second by all who look."""
    return _overview(base_url(), since.isoformat(timespec="seconds"))


def executions(params: Params) -> ExecutionPage:
    """A page of the executions that match."""
    return _get(ExecutionPage, "/v1/executions", params)


def execution(name: str) -> ExecutionView:
    """One execution. Raises NotFoundError."""
    return _get(ExecutionView, f"/v1/executions/{quote(name, safe='')}")


def logs(name: str, after: str | None) -> tuple[LogView, ...]:
    """Lines of an execution's output after a cursor, oldest first."""
    params = {"after": after} if after else {}
    return _get(tuple[LogView, ...], f"/v1/executions/{quote(name, safe='')}/logs", params)


def act(verb: Verb, name: str, reason: str = "") -> Accepted:
    """Cancel or retry one execution."""
    body: dict[str, JsonValue] = {"reason": reason} if reason else {}
    return _read(Accepted, _request("POST", f"/v1/executions/{quote(name, safe='')}/{verb}", body=body).content)


def act_on(verb: Verb, ids: Sequence[str]) -> BulkAnswer:
    """Cancel or retry the executions named."""
    return _read(BulkAnswer, _request("POST", f"/v1/executions/{verb}", body={"ids": list(ids)}).content)


def act_on_all(verb: Verb, match: Match, expected: int) -> BulkAnswer:
    """Cancel or retry all that match; refused where more or fewer match than `expected`."""
    wanted: dict[str, JsonValue] = {k: v if isinstance(v, str) else list(v) for k, v in match.items()}
    body: dict[str, JsonValue] = {"filter": wanted, "expected": expected}
    return _read(BulkAnswer, _request("POST", f"/v1/executions/{verb}", body=body).content)
