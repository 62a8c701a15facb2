import json
from typing import Any

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

RELAXED = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(["submit", "create", "execute", "cancel", "retry", "finish", "delete", "nonsense"])
KINDS = st.sampled_from(["function", "python", "shell", "sql", "http", "external", "sleep", "nonsense"])
NAMES = st.sampled_from(["fuzz", "fuzz.a", "", "ü", "a b", "../x", "x" * 300]) | st.text(max_size=8)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "payload": JSON,
        "priority": JSON,
        "upstream": JSON | st.lists(NAMES, max_size=3),
        "timeout": JSON | st.floats(),
        "retries": JSON,
        "seconds": st.floats(),
        "command": JSON,
        "notify": JSON,
    },
)
TASK = st.builds(lambda name, kind, fields: {"id": name, "kind": kind, **fields}, NAMES, KINDS, FIELDS)
EVENT = st.builds(
    lambda kind, event: {"type": kind, **event},
    TYPES,
    st.fixed_dictionaries(
        {},
        optional={
            "task": TASK | NAMES | JSON,
            "pipeline": JSON,
            "run": NAMES | JSON,
            "at": JSON | st.datetimes().map(str),
            "execution": NAMES | st.uuids().map(str),
            "payload": JSON,
            "result": JSON,
        },
    ),
)
HEADERS = {"content-type": "application/json"}


def test_no_json_breaks_the_events_route(system_http: httpx.Client) -> None:
    """Whatever JSON comes, the answer is one of ours: accepted, or a problem that says what is wrong."""

    @RELAXED
    @given(JSON | EVENT | st.lists(EVENT, max_size=4))
    @example({"type": "submit", "task": {"id": "fuzz", "kind": "external", "payload": "\ud800"}})
    @example({"type": "submit", "task": {"id": "fuzz", "kind": "external", "payload": 10**400}})
    @example({"type": "submit", "task": {"id": "fuzz", "kind": "sleep", "seconds": float("inf")}})
    @example({"type": "execute", "task": "fuzz", "at": "9999-12-31T23:59:59Z"})
    @example({"type": "execute", "task": "fuzz", "at": "0001-01-01T00:00:00+23:59"})
    def ask(body: Any) -> None:
        answer = system_http.post("/v1/events", content=json.dumps(body).encode(), headers=HEADERS)
        assert answer.status_code in (202, 400, 422), answer.text
        if answer.status_code != 202:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]

    ask()


def test_no_bytes_break_the_orders(system_http: httpx.Client) -> None:
    """Bodies that are no JSON at all are the caller's fault, on every route that takes one."""
    paths = ["/v1/events", "/v1/tasks", "/v1/pipelines", "/v1/executions", "/v1/executions/cancel", "/v1/sql"]

    @RELAXED
    @given(st.binary(max_size=200), st.sampled_from(paths))
    def ask(body: bytes, path: str) -> None:
        assert 400 <= system_http.post(path, content=body, headers=HEADERS).status_code < 500

    ask()


def test_no_query_breaks_the_reads(system_http: httpx.Client) -> None:
    """Names and parameters are anything at all; the answer is never an error of the edge."""
    names = st.text(max_size=40) | st.from_regex(r"[0-9a-f-]{8,36}", fullmatch=True)
    parameters = st.dictionaries(
        st.sampled_from(
            ["state", "priority", "since", "until", "late", "text", "task", "limit", "cursor", "order", "wait"]
        ),
        st.text(max_size=20) | st.integers().map(str),
        max_size=3,
    )
    paths = st.sampled_from(
        [
            "/v1/executions",
            "/v1/executions/{name}",
            "/v1/executions/{name}/events",
            "/v1/executions/{name}/logs",
            "/v1/tasks/{name}",
            "/v1/pipelines/{name}",
            "/v1/pipelines/{name}/runs",
            "/v1/overview",
            "/v1/dead-letters",
        ]
    )

    @RELAXED
    @given(paths, names, parameters)
    def ask(path: str, name: str, query: dict[str, str]) -> None:
        target = httpx.URL(path.replace("{name}", _quoted(name)), params=query)
        answer = system_http.get(target)
        assert answer.status_code < 500, (target, answer.text)

    ask()


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02x}" for byte in name.encode("utf-8", "surrogatepass"))
