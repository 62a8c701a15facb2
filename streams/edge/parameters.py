"""What may stand in an address behind the question mark: what the route describes, and nothing else."""

from http import HTTPStatus

from fastapi import Request
from pydantic import JsonValue

from pipelines.faults import nearest, shown
from streams.edge.problems import ProblemError


async def refuse_unknown(request: Request) -> None:
    """Raise ProblemError for a query parameter that the route does not take: it would change nothing, unnoticed."""
    if not request.query_params:
        return
    routes = request.app.openapi()["paths"].get(request.scope["route"].path_format, {})
    taken = routes.get(request.method.lower(), {}).get("parameters", ())
    known = [one["name"] for one in taken if one["in"] == "query"]
    for name, value in request.query_params.items():
        if name not in known:
            _refuse(name, value, known)


def _refuse(name: str, value: str, known: list[str]) -> None:
    hint = nearest(name, known) or f"; {', '.join(known) or 'none'} can be given here"
    problem = f"there is no such parameter{hint}"
    field = shown(name)[1:-1]
    errors: list[dict[str, JsonValue]] = [{"field": field, "problem": problem, "value": shown(value)}]
    raise ProblemError(HTTPStatus.BAD_REQUEST, f"{field}: {problem}", errors)
