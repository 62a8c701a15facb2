"""The dashboard as a real process, a real browser before it, and a world behind it."""

import contextlib
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from showroom.api import TOKEN, free_port, serving
from showroom.world import World
from ui import serve
from ui.parts import formats

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HEADER, ROW = 32, 32
STARTS_WITHIN = 60


class Stage:
    """One dashboard and one API, for all tests of a module; `world` is what the API serves."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.api_port, self.port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._api = contextlib.ExitStack()
        self._token = folder / "token"
        self._token.write_text(TOKEN)

    def open_api(self) -> None:
        """Let the API answer."""
        self._api.enter_context(serving(self.world, self.api_port))

    def close_api(self) -> None:
        """Let nobody answer at the API's address."""
        self._api.close()

    @contextlib.contextmanager
    def playing(self) -> Iterator[None]:
        """The dashboard's process and the API, until the block is left."""
        environment = serve.environment(f"http://127.0.0.1:{self.api_port}", self._token)
        self.open_api()
        with subprocess.Popen(serve.command(port=self.port), env=environment, cwd=ROOT) as process:
            try:
                _wait_for(f"{self.url}/_stcore/health", process)
                yield
            finally:
                process.terminate()
                self.close_api()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).is_success:
                return
        threading.Event().wait(0.1)
    raise AssertionError(f"the dashboard does not answer at {url}")


def chromium_path() -> str:
    """Where Chromium is. Fails with a sentence where there is none."""
    if found := shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome"):
        return found
    raise AssertionError("these tests need Chromium: apt-get install chromium")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A real browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """A dashboard that plays."""
    with tempfile.TemporaryDirectory() as folder:
        made = Stage(Path(folder))
        with made.playing():
            yield made


def address(page: Page) -> dict[str, list[str]]:
    """The parameters in the address."""
    return parse_qs(urlsplit(page.url).query)


def short_ids(page: Page, count: int) -> list[str]:
    """The short ids in the table as a screen reader has them, once there are `count` of them."""
    found = page.locator('[data-testid="stDataFrame"] canvas td[aria-colindex="2"]')
    expect(found).to_have_count(count)
    return found.all_text_contents()


def expect_ticked(page: Page, executions: list[str]) -> None:
    """The ticked rows are these executions, in this order."""
    rows = page.locator('[data-testid="stDataFrame"] canvas tbody tr[aria-selected="true"] td[aria-colindex="2"]')
    expect(rows).to_have_text([formats.short_id(name) for name in executions])


def click_row(page: Page, row: int, across: int = 16) -> None:
    """Click into a row of the table, `across` pixels from its left (16: the tick box)."""
    expect(page.get_by_test_id(f"glide-cell-2-{row}")).to_be_attached()
    box = page.locator('[data-testid="stDataFrame"] canvas').first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + across, box["y"] + HEADER + ROW * row + ROW / 2)
