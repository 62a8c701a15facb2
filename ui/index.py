"""The HTML that a browser gets first: Streamlit's, with our name in it, and where the server is.

Streamlit's own says "Streamlit" until the first page is drawn, and looks for the server below the address of a page
before it looks at the root, which is two answers of 404 for every link to a page:
https://github.com/streamlit/streamlit/issues/7074.
"""

import base64
import html
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route
from streamlit.file_util import get_static_dir

from ui.parts import places
from ui.parts.markup import Markup, tag

_SERVER = '<script>window.__streamlit = {BACKEND_BASE_URL: new URL(".", location).href}</script>'
_MARK = Path(__file__).parent / "parts" / "mark.svg"


def routes() -> list[Route]:
    """A route for each page, from where people look for an execution to its page, and for what is no page."""
    pages = [Route(f"/{path}", _serving(document(title))) for path, title in places.TITLES.items()]
    guesses = [Route(f"/{path}/{{name}}", _to_execution) for path in ("executions", "execution")]
    return [*pages, *guesses, Route("/{path:page}", _no_such_page)]


def _to_execution(request: Request) -> RedirectResponse:
    return RedirectResponse(f"../execution?{urlencode({'id': request.path_params['name']})}")


class _Page(Convertor[str]):
    """A path at which Streamlit itself serves nothing but its own HTML, in which nothing finds its server."""

    regex = r"(?!(_stcore|media|component|static|app)/|(favicon\.png|manifest\.json|index\.html)$).+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("page", _Page())


def _no_such_page(request: Request) -> HTMLResponse:
    """What pages there are: Streamlit would say that there is none of this name, and show another one."""
    root, pages = request.scope["root_path"], places.TITLES.items()
    links = (tag("li", tag("a", title, href=f"{root}/{path}")) for path, title in pages)
    said = tag("p", f"There is no page {request.url.path}. There are:")
    body = tag("body", said, tag("ul", *links), style="font: 14px/1.6 sans-serif; margin: 32px")
    head = Markup('<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">')
    return HTMLResponse(head + tag("title", places.tab("No such page")) + body, HTTPStatus.NOT_FOUND)


def _serving(text: str) -> Callable[[Request], HTMLResponse]:
    return lambda _: HTMLResponse(text, headers={"Cache-Control": "no-cache"})


def document(title: str) -> str:
    """The HTML of the page of this title."""
    icon = base64.b64encode(_MARK.read_bytes()).decode()
    text = (Path(get_static_dir()) / "index.html").read_text()
    text = text.replace("<title>Streamlit</title>", f"<title>{html.escape(places.tab(title))}</title>{_SERVER}")
    return text.replace("./favicon.png", f"data:image/svg+xml;base64,{icon}")
