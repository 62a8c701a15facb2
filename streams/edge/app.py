"""The HTTP application: routes behind a guard. What it works with is given to it."""

from typing import Any

from fastapi import Depends, FastAPI

from streams.edge import problems
from streams.edge.context import Context
from streams.edge.farewell import Farewell
from streams.edge.guard import BodyLimit, Guard
from streams.edge.metrics import Counting
from streams.edge.parameters import refuse_unknown
from streams.edge.routes import bulk, definitions, executions, orders, state


class _Described(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """FastAPI's document, made once, with the model that it would call application/json."""
        if self.openapi_schema is None:
            super().openapi()["components"]["schemas"]["Problem"] = problems.schema()
        return super().openapi()


def make_app(context: Context | None, token: str) -> FastAPI:
    """The API under /v1, /health and /metrics. Without a context it can only describe itself."""
    app = _Described(
        title="Headrace",
        description="Tasks, executions and pipelines over HTTP. Errors are problem documents (RFC 9457).",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses=problems.RESPONSES,
        dependencies=[Depends(refuse_unknown)],
    )
    app.state.context = context
    for module in (bulk, orders, executions, definitions, state):
        app.include_router(module.router)
    problems.install(app)
    app.add_middleware(Farewell)
    app.add_middleware(Counting)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, token=token)  # the last one added is the first one met
    app.openapi()  # takes a third of a second, for which no request waits
    return app
