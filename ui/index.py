"""The HTML that a browser gets first: Streamlit's, with our name in it, and where the server is.

Streamlit's own says "Streamlit" until the first page is drawn, and looks for the server below the address of a page
before it looks at the root, which is two answers of 404 for every link to a page:
https://github.com/streamlit/streamlit/issues/7074.
"""

import base64
import html
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route
from streamlit.file_util import get_static_dir

from ui.parts import places

_SERVER = '<script>window.__streamlit = {BACKEND_BASE_URL: new URL(".", location).href}</script>'
_MARK = Path(__file__).parent / "parts" / "mark.svg"


def routes() -> list[Route]:
    """A route for each page, and from where the HTTP API has an execution to its page."""
    pages = [Route(f"/{path}", _serving(document(title))) for path, title in places.TITLES.items()]
    return [*pages, Route("/executions/{name}", _to_execution)]


def _to_execution(request: Request) -> RedirectResponse:
    return RedirectResponse(f"../execution?{urlencode({'id': request.path_params['name']})}")


def _serving(text: str) -> Callable[[Request], HTMLResponse]:
    return lambda _: HTMLResponse(text, headers={"Cache-Control": "no-cache"})


def document(title: str) -> str:
    """The HTML of the page of this title."""
    icon = base64.b64encode(_MARK.read_bytes()).decode()
    text = (Path(get_static_dir()) / "index.html").read_text()
    text = text.replace("<title>Streamlit</title>", f"<title>{html.escape(places.tab(title))}</title>{_SERVER}")
    return text.replace("./favicon.png", f"data:image/svg+xml;base64,{icon}")
