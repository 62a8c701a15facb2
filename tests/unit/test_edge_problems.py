import re

import httpx
import pytest
from aiokafka.errors import KafkaTimeoutError
from fastapi import FastAPI

from pipelines.faults import members
from pipelines.model import AnyTask
from streams.edge.app import make_app
from streams.edge.problems import UNREADABLE, install


async def test_who_hears_nothing_of_kafka_is_not_told_that_nothing_happened() -> None:
    """An order whose acknowledgement was lost is carried out: the answer says so, and how to go on."""
    app = FastAPI()
    install(app)

    @app.post("/order")
    async def order() -> None:
        raise KafkaTimeoutError

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
        answer = await client.post("/order")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    for part in (
        "may be carried out",
        "in the same run is executed once",
        "names no run",
        "cancel or retry does no harm",
    ):
        assert part in answer.json()["detail"]


async def sent(path: str, body: bytes, method: str = "POST", **headers: str) -> httpx.Response:
    """What the API says to a body."""
    transport = httpx.ASGITransport(app=make_app(None, "t"))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        return await client.request(method, path, content=body, headers={"authorization": "Bearer t"} | headers)


@pytest.mark.parametrize(
    ("headers", "told"), [({}, "and name it as Content-Type"), ({"content-type": "text/plain"}, "not text/plain")]
)
async def test_a_body_that_does_not_say_that_it_is_json_is_told_to(headers: dict[str, str], told: str) -> None:
    """The answer is about the header, not about the JSON, which may be right."""
    answer = await sent("/v1/tasks", b'{"id": "x", "kind": "external"}', **headers)
    assert answer.status_code == 415
    assert answer.json()["detail"] == f"send application/json, {told}"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (
            "/v1/tasks",
            b'{"id": "x", "retires": 1, "kind": "external"}',
            "there is no such field; did you mean retries?",
        ),
        ("/v1/tasks", b'"text"', "body: Input should be an object"),
        ("/v1/tasks", b'{"id": "x"}', "kind: missing; one of function, python, shell, sql, http, external, sleep"),
        ("/v1/tasks", b'{"id": "x", "kind": "dance"}', "kind: there is no such kind; one of function, python,"),
        (
            "/v1/tasks",
            b'{"type": "create", "task": {"id": "x"}}',
            "sleep; send the task itself, with nothing around it",
        ),
        ("/v1/executions", b'{"task": "x"}', "type: missing; one of submit, execute"),
        ("/v1/executions", b'{"type": "create"}', "type: there is no such type; one of submit, execute"),
        ("/v1/events", b'[{"task": "x"}]', "[0].type: missing; one of create, execute, submit,"),
        ("/v1/sql", b'{"query": 5}', "query: Input should be a valid string"),
        ("/v1/executions/12345678/cancel", b'{"cancel": 1}', "cancel: there is no such field"),
        ("/v1/executions/cancel", b'{"filter": {"state": "running"}}', "filter.state: Input should be a list"),
        ("/v1/executions/cancel", b'{"ids": []}', "ids: The list should have a length of at least 1, not 0"),
        (
            "/v1/tasks",
            b'{"id": "x", "kind": "shell", "command": 5}',
            "command: Input should be a string, or a list of strings",
        ),
        ("/v1/tasks", b'{"id": "x", "kind": "shell", "command": ["a", 5]}', "command[1]: Input should be a valid str"),
        ("/v1/tasks", b'{"id": "x", "kind": "shell", "command": []}', "command: The list should have a length of at"),
        (
            "/v1/tasks",
            b'{"id": "x", "kind": "external", "upstream": [5]}',
            "upstream[0]: Input should be a task's id, or an object of task and run",
        ),
        ("/v1/tasks", b'{"id": "x", "kind": "external", "upstream": [{"task": "a"}]}', "upstream[0].run: Field req"),
        ("/v1/tasks", b'{"id": "x", "kind": "shell", "command": "a", "env": 5}', "env: Input should be an object"),
        ("/v1/tasks", b'{"id": "x", "kind": "sleep", "seconds": "soon"}', "seconds: Input should be a duration: sec"),
        (
            "/v1/tasks",
            b'{"id": "x", "kind": "external", "retries": "many"}',
            "retries: Input should be a number, or an",
        ),
        ("/v1/sql", b'{"query": "SELECT 1", "writes": 5}', "writes: Input should be true or false"),
        ("/v1/pipelines/p/runs", b'{"at": "tomorrow"}', "at: Input should be a time with its zone, such as 2026-"),
        (
            "/v1/pipelines",
            b'{"id": "p", "tasks": [{"id": "a valid tuple", "kind": "external"}]}',
            "tasks[0].id: 1 to 200 letters (A to Z, a to z), digits and _ . : - are allowed, and none of . : - at",
        ),
    ],
)
async def test_what_is_wrong_is_said_in_words_of_json(path: str, body: bytes, said: str) -> None:
    """No tuples, no offsets without a name, and what was probably meant."""
    answer = await sent(path, body, **{"content-type": "application/json"})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert len(answer.json()["errors"]) == 1


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/task", 404, "no route '/v1/task'; GET /v1/openapi.json has all there are"),
        ("/v1/tasks/x", 405, "POST is not taken here; send DELETE, GET"),
        ("/v1/pools", 405, "POST is not taken here; send GET"),
        ("/v1/openapi.json", 405, "POST is not taken here; send GET, HEAD"),
    ],
)
async def test_an_address_or_a_method_that_is_none_is_told_what_there_is(path: str, status: int, said: str) -> None:
    """All methods of the address, be they of several routes, in the header as well."""
    answer = await sent(path, b"")
    assert (answer.status_code, answer.json()["detail"]) == (status, said)
    assert answer.headers.get("allow", "") == said.partition("send ")[2]


async def test_a_parameter_that_is_wrong_is_named() -> None:
    """Also one whose name is that of a form of JSON."""
    answer = await sent("/v1/executions?text=" + "x" * 300, b"", "GET")
    assert answer.json()["detail"].startswith("text: String should have at most 200 characters")


@pytest.mark.parametrize("path", ["/v1/overview?since=", "/v1/executions?since=", "/v1/executions?until="])
async def test_a_time_of_which_the_history_cannot_be_asked_is_refused(path: str) -> None:
    """What ClickHouse would not understand is no fault of the history."""
    bounds = {"0001-01-01T00:00:00Z": "greater than or equal to 1970-01-01", "2300-01-01T00:00:00Z": "less than 2300"}
    for wrong, right in bounds.items():
        answer = await sent(path + wrong, b"", "GET")
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(f"{path.partition('?')[2][:-1]}: Input should be {right}")


async def test_a_closed_set_is_named_to_who_filters_by_something_else() -> None:
    """A filter by a kind that there is not would match nothing, for ever and without a word."""
    for query in ("state=bogus", "kind=bogus"):
        answer = await sent(f"/v1/executions?{query}", b"", "GET")
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(f"{query.partition('=')[0]}[0]: Input should be '")
    assert re.findall("'(.+?)'", answer.json()["detail"]) == list(members("kind", AnyTask))


async def test_what_is_no_json_is_told_where() -> None:
    """No field can be named, but the character."""
    answer = await sent("/v1/tasks", b'{"id": "x", "kind": nope}', **{"content-type": "application/json"})
    said = "the body is no JSON: Expecting value at character 21"
    assert (answer.status_code, answer.json()["detail"]) == (400, said)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"id": ' + b"9" * 5_000 + b"}", b'{"id": "\xff"}'])
async def test_a_body_that_cannot_be_read_is_told_why(body: bytes) -> None:
    """JSON that Python gives up on is refused in words."""
    answer = await sent("/v1/tasks", body, **{"content-type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == (400, UNREADABLE)


async def test_a_field_that_does_not_exist_is_taken_for_the_one_that_is_missing() -> None:
    """Names of tasks' kinds are fields like others where no kind is expected; values are JSON, as they came."""
    answer = await sent("/v1/sql", b'{"sql": "SELECT 1"}', **{"content-type": "application/json"})
    assert answer.json()["errors"] == [
        {"field": "query", "problem": "Field required", "value": '{"sql": "SELECT 1"}'},
        {"field": "sql", "problem": "there is no such field; did you mean query?", "value": "'SELECT 1'"},
    ]


async def test_what_people_wrote_is_repeated_as_it_came() -> None:
    """Also where it reads like one of pydantic's own sentences."""
    body = b'{"id": "p", "tasks": [{"id": "Tuple.should", "kind": "external"}]}'
    answer = await sent("/v1/pipelines", body, **{"content-type": "application/json"})
    assert answer.json()["detail"] == ("body: task 'Tuple.should' of pipeline 'p' must be named 'p.Tuple.should'")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/tasks?limt=3", "limt: there is no such parameter; did you mean limit?"),
        ("/v1/executions?limit=3&stat=failed", "stat: there is no such parameter; did you mean state?"),
        ("/v1/executions/12345678/logs?before=x", "before: there is no such parameter; after, limit can be given here"),
        ("/health?verbose=1", "verbose: there is no such parameter; none can be given here"),
    ],
)
async def test_a_parameter_that_there_is_not_is_refused(path: str, said: str) -> None:
    """Nobody takes for an answer to a question what was answered without it."""
    answer = await sent(path, b"", "GET")
    assert (answer.status_code, answer.json()["detail"]) == (400, said)


async def test_every_route_refuses_a_parameter_that_it_does_not_take() -> None:
    """Whatever else is wrong with the request."""
    paths = make_app(None, "t").openapi()["paths"]
    for path, method in [(path, method) for path, methods in paths.items() for method in methods]:
        answer = await sent(re.sub("{.*?}", "x", path) + "?nosuch=1", b"", method.upper())
        assert answer.status_code == 400, (path, method)
        assert answer.json()["errors"][0]["field"] == "nosuch"
