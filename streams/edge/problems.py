"""Every error that leaves the API: RFC 9457 problem documents that say what was wrong and what would be right."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import JsonValue
from starlette.exceptions import HTTPException
from starlette.routing import Route, compile_path

from pipelines.faults import described, shown
from pipelines.views import Problem
from sinks.record.client import ClickHouseAwayError
from sinks.record.errors import QueryFailedError
from sinks.record.filters import BadCursorError
from streams.client import CommandTooLargeError

KAFKA_AWAY = (
    "Kafka did not confirm it, and it may be carried out all the same; send it again when Kafka is back: "
    "the same task in the same run is executed once, and a repeated cancel or retry does no harm. "
    "Only a submit without an id, or an execute that names no run, is a new one each time: look with `list` first"
)

UNREADABLE = "the body could not be read: it is no JSON in UTF-8, nests too deep, or has too long a number"

MEDIA_TYPE = "application/problem+json"
_COMPONENTS = "#/components/schemas/{model}"
_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": _COMPONENTS.format(model="Problem")}}}
RESPONSES: dict[int | str, dict[str, Any]] = {"default": {"description": "What was wrong", "content": _CONTENT}}
"""What OpenAPI says of every route: any status without an entry of its own is a problem document."""

log = structlog.get_logger(__name__)


class ProblemError(Exception):
    """An error with its answer."""

    def __init__(self, status: int, detail: str, errors: Sequence[dict[str, JsonValue]] = ()) -> None:
        super().__init__(detail)
        self.problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=tuple(errors))


def answer(status: int, detail: str, errors: Sequence[dict[str, JsonValue]] = ()) -> Response:
    """A problem document as a response."""
    return respond(ProblemError(status, detail, errors).problem)


def respond(problem: Problem) -> Response:
    """The same, of a problem that exists."""
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else None
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)


def schema() -> dict[str, Any]:
    """A problem document, for the components of OpenAPI."""
    whole = Problem.model_json_schema(ref_template=_COMPONENTS)
    return {name: value for name, value in whole.items() if name != "$defs"}  # JsonValue, which is there


def install(app: FastAPI) -> None:
    """Let `app` answer every error in this form."""
    app.exception_handler(ProblemError)(_ours)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(KafkaError)(_kafka)
    app.exception_handler(CommandTooLargeError)(_too_large)
    app.exception_handler(ClickHouseAwayError)(_clickhouse)
    app.exception_handler(QueryFailedError)(_clickhouse)
    app.exception_handler(BadCursorError)(_cursor)
    app.exception_handler(Exception)(_unexpected)


async def _ours(_: Request, error: ProblemError) -> Response:
    return respond(error.problem)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    if isinstance(error.body, bytes):  # FastAPI reads as JSON what says that it is
        said = request.headers.get("content-type")
        came = f"not {said[:80]}" if said else "and name it as Content-Type"
        return answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send application/json, {came}")
    if error.errors()[0]["type"] == "json_invalid":
        return answer(HTTPStatus.BAD_REQUEST, _no_json(error.errors()[0]))
    errors = described(error.errors())
    first = errors[0]
    return answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{first['field']}: {first['problem']}", errors)


def _no_json(error: Any) -> str:
    """FastAPI names no field, but the character, counted from 0."""
    return f"the body is no JSON: {error['ctx']['error']} at character {error['loc'][-1] + 1}"


async def _http(request: Request, error: HTTPException) -> Response:
    """What the framework refuses by itself, in words of ours where it has only the name of the status."""
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return answer(
                error.status_code, f"no route {shown(request.url.path)}; GET /v1/openapi.json has all there are"
            )
        case HTTPStatus.METHOD_NOT_ALLOWED:
            taken = ", ".join(_methods(request))
            refused = answer(error.status_code, f"{request.method} is not taken here; send {taken}")
            refused.headers["Allow"] = taken
            return refused
        case HTTPStatus.BAD_REQUEST:
            return answer(error.status_code, UNREADABLE)
    return answer(error.status_code, str(error.detail))


def _methods(request: Request) -> list[str]:
    """The methods that an address takes, by all of its routes: those of the schema, and the framework's own."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    found = [taken for path, taken in paths.items() if compile_path(path)[0].match(request.url.path)]
    own = [one.methods for one in request.app.routes if isinstance(one, Route) and one.path == request.url.path]
    return sorted({method.upper() for taken in (*found, *own) for method in taken or ()})


async def _kafka(_: Request, error: KafkaError) -> Response:
    log.warning("Kafka did not take a command", error=str(error))
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, KAFKA_AWAY)


async def _too_large(_: Request, error: CommandTooLargeError) -> Response:
    return answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))


async def _clickhouse(_: Request, error: Exception) -> Response:
    log.warning("ClickHouse did not answer", error=str(error))
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, f"the history cannot be read: {error}")


async def _cursor(_: Request, error: BadCursorError) -> Response:
    return answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("a request failed", path=request.url.path, exc_info=error)
    return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the edge; its log says more")
