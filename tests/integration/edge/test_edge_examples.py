import re
from pathlib import Path

import httpx

from pipelines.model import ExternalTask
from streams.edge.app import make_app
from ui.client import Client

API = Path(__file__).parents[3] / "docs" / "api.md"
EXAMPLES = re.findall(r"^\| `POST (\S+)` \| `([\[{].*)` \|$", API.read_text(), re.MULTILINE)


def test_every_route_that_takes_a_body_has_an_example() -> None:
    """docs/api.md shows one for each, and none for a route that takes none."""
    paths = make_app(None, "t" * 40).openapi()["paths"]
    assert {path for path, _ in EXAMPLES} == {path for path, by in paths.items() if "requestBody" in by.get("post", {})}


def test_the_examples_are_taken_as_they_stand(client: Client, system_http: httpx.Client, name: str) -> None:
    """One after the other, as docs/api.md has them; each order is about an execution of its own."""
    for number, (path, body) in enumerate(EXAMPLES):
        execution = client.submit(ExternalTask(id=f"{name}-{number}")).execution
        answer = system_http.post(
            path.format(pipeline="etl", execution=execution), content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code in (200, 202), (path, answer.text)
