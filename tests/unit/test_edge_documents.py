import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipelines.events import PUBLIC_EVENT
from pipelines.schema import as_text, event_schema
from streams.edge.app import make_app

DOCS = Path(__file__).parents[2] / "docs"

GOOD: list[dict[str, Any]] = [
    {"type": "submit", "task": {"id": "a", "kind": "shell", "command": "true", "timeout": 5, "max_latency": "PT1M"}},
    {"type": "submit", "task": {"id": "a", "kind": "python", "code": "result = 1", "payload": {"x": [1, None]}}},
    {"type": "submit", "task": {"id": "a", "kind": "external", "retries": 1}},
    {"type": "submit", "task": {"id": "a", "kind": "external", "retries": {"limit": 2, "delay": 5}}},
    {"type": "create", "pipeline": {"id": "p", "tasks": [{"id": "p.a", "kind": "sleep", "seconds": 0.5}]}},
    {"type": "execute", "task": "a", "at": "2026-01-01T00:00:00Z", "priority": 9},
    {"type": "cancel", "task": "a", "run": "r"},
    {"type": "retry", "execution": "00000000-0000-8000-8000-000000000000"},
    {"type": "finish", "task": "a", "outcome": "failed", "error": "no"},
    {"type": "delete", "task": "a"},
]
BAD: list[dict[str, Any]] = [
    {"type": "submit"},
    {"type": "nonsense"},
    {"type": "submit", "task": {"id": "a b", "kind": "external"}},
    {"type": "submit", "task": {"id": "a", "kind": "external", "priority": 10}},
    {"type": "submit", "task": {"id": "a", "kind": "external", "nonsense": 1}},
    {"type": "submit", "task": {"id": "a", "kind": "sleep", "seconds": -1}},
    {"type": "submit", "task": {"id": "a", "kind": "external", "retries": "many"}},
    {"type": "submit", "task": {"id": "a", "kind": "external", "retries": -1}},
]


def test_the_schema_in_docs_is_current() -> None:
    """docs/events.schema.json is what `python -m pipelines.schema` prints."""
    assert (DOCS / "events.schema.json").read_text() == as_text()


@pytest.mark.parametrize("event", GOOD, ids=lambda event: event["type"])
def test_the_schema_takes_what_we_take(event: dict[str, Any]) -> None:
    """An event that the models accept is valid under the schema."""
    PUBLIC_EVENT.validate_python(event)
    jsonschema.validate(event, event_schema())


@pytest.mark.parametrize("event", BAD, ids=repr)
def test_the_schema_refuses_what_we_refuse(event: dict[str, Any]) -> None:
    """An event that the models refuse for its shape is invalid under the schema."""
    with pytest.raises(ValueError, match="validation error"):
        PUBLIC_EVENT.validate_python(event)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(event, event_schema())


def test_the_api_is_described_once() -> None:
    """Before the first request, and for all: each one asks which parameters its route takes."""
    app = make_app(None, "t" * 40)
    made = app.openapi_schema
    assert made is not None
    problem = made["components"]["schemas"]["Problem"]
    assert app.openapi() is made
    assert made["components"]["schemas"]["Problem"] is problem


def test_every_route_is_described() -> None:
    """docs/api.md names every route of the API, and none that does not exist."""
    paths = make_app(None, "t" * 40).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    text = (DOCS / "api.md").read_text()
    named = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert named == routes


def test_the_api_describes_itself() -> None:
    """The OpenAPI document is complete JSON, and each operation has a sentence."""
    document = json.loads(json.dumps(make_app(None, "t" * 40).openapi()))
    operations = [o for path in document["paths"].values() for o in path.values()]
    assert all(o.get("description") for o in operations)


def test_errors_are_described_as_they_are() -> None:
    """Of every operation: a problem document, and FastAPI's own form of an error nowhere."""
    document = make_app(None, "t" * 40).openapi()
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for operation in (o for path in document["paths"].values() for o in path.values()):
        assert operation["responses"]["default"]["content"] == {"application/problem+json": problem}
        assert "422" not in operation["responses"]
    schemas = document["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    jsonschema.validate(
        {"title": "Not Found", "status": 404, "errors": [{"field": "a"}]},
        {"$ref": "#/components/schemas/Problem", "components": {"schemas": schemas}},
    )
