"""The dashboard's click paths, in a real browser before a real process."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, Response, expect
from showroom.stage import Stage, address, chromium, click_row, expect_ticked, short_ids, stage
from showroom.world import World, running

from pipelines.views import UpstreamView
from ui.parts import formats, places, states

OPEN = 190
PATIENCE, SETTLES = 30_000, 500
HOSTILE = '<img src=x onerror="document.title=1">**b** :red[x] `c`'


@pytest.fixture(scope="module")
def played() -> Iterator[Stage]:
    """One dashboard for the module."""
    with stage() as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the module."""
    expect.set_options(timeout=PATIENCE)
    with chromium() as made:
        yield made


@pytest.fixture
def theatre(played: Stage) -> Stage:
    """The dashboard with an empty world."""
    played.world.clear()
    return played


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of somebody who comes for the first time."""
    made = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="Europe/Berlin")
    made.set_default_timeout(PATIENCE)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab."""
    return context.new_page()


def test_a_count_leads_to_exactly_its_rows(theatre: Stage, page: Page, browser: Browser) -> None:
    """Overview, 7 late: the list has those 7 and the filter in its address; a second browser sees the same 7."""
    late = {formats.short_id(theatre.world.add("orders.score", "waiting", late=True)) for _ in range(7)}
    for state in ("waiting", "running", "failed"):
        theatre.world.add("orders.score", state)
    page.goto(theatre.url)
    figure = page.locator(".st-key-figure-alarm-late a").first
    expect(figure).to_have_text("7")
    figure.click()
    expect(page.get_by_text("7 match", exact=True)).to_be_visible()
    assert set(short_ids(page, 7)) == late
    assert address(page) == {"range": ["all"], "late": ["true"], "state": ["waiting"]}
    other = browser.new_context(timezone_id="UTC").new_page()
    other.goto(page.url)
    expect(other.get_by_text("7 match", exact=True)).to_be_visible()
    assert set(short_ids(other, 7)) == late
    other.context.close()


def test_ticks_stay_on_their_executions(theatre: Stage, page: Page) -> None:
    """Three are ticked while new ones arrive on top: the dialog names those three, and they alone are cancelled."""
    world = theatre.world
    first = [world.add("orders.score", "waiting") for _ in range(6)]
    page.goto(f"{theatre.url}/executions?refresh_5s=2s")
    expect(page.get_by_text("6 match", exact=True)).to_be_visible()
    for row, count in ((0, 1), (2, 2), (4, 3)):
        click_row(page, row)
        expect(page.get_by_text(f"6 match, {count} ticked", exact=True)).to_be_visible()
    chosen = [first[5], first[3], first[1]]
    expect_ticked(page, chosen)
    for count in (1, 2, 3):
        world.add("orders.score", "waiting", run=f"new-{count}")
        expect(page.get_by_text(f"{6 + count} match, 3 ticked, {count} newer held back")).to_be_visible()
    expect_ticked(page, chosen)
    world.change(chosen[2], state="succeeded")
    page.get_by_role("button", name="Cancel 3").click()
    dialog = page.get_by_role("dialog")
    for name in chosen:
        expect(dialog.locator(f'code[title="{name}"]')).to_be_visible()
    expect(dialog.get_by_text("1 of them will be left alone: already ended.")).to_be_visible()
    dialog.get_by_role("button", name="Cancel 2 executions").click()
    expect(page.get_by_text("2 cancelled.")).to_be_visible()
    expect(page.get_by_text("9 match", exact=True)).to_be_visible()
    assert world.asked == [f"cancel {chosen[0]}", f"cancel {chosen[1]}"]
    expect_ticked(page, [])


def test_all_that_match_are_counted_again(theatre: Stage, page: Page) -> None:
    """Retry all that failed: the dialog counts anew, and only what failed is retried."""
    world = theatre.world
    failed = [world.add("orders.score", "failed") for _ in range(30)]
    spared = world.add("orders.score", "succeeded")
    page.goto(f"{theatre.url}/executions?state=failed&refresh_5s=off")
    page.get_by_role("button", name="All 30 that match").click()
    world.change(failed[0], state="succeeded")
    page.get_by_text("Retry all that match").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("29 executions match now (30 when the list was drawn).")).to_be_visible()
    expect(dialog.get_by_text("Filter: state failed.")).to_be_visible()
    dialog.get_by_role("button", name="Retry 29 executions").click()
    expect(page.get_by_text("29 retried.")).to_be_visible()
    assert sorted(world.asked) == sorted(f"retry {name}" for name in failed[1:])
    assert world.rows[spared].retried_as is None


def test_all_that_match_is_what_can_be_changed_so(theatre: Stage, page: Page) -> None:
    """The button names those that have not ended, and no others."""
    for state in ("succeeded", "failed", "waiting", "succeeded"):
        theatre.world.add("orders.score", state)
    page.goto(f"{theatre.url}/executions?refresh_5s=off")
    page.get_by_role("button", name="All 4 that match").click()
    page.get_by_text("Cancel all that match").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("4 executions match now.")).to_be_visible()
    dialog.get_by_role("button", name="Cancel 1 execution").click()
    expect(page.get_by_text("1 cancelled.")).to_be_visible()


def _linked(theatre: Stage) -> tuple[str, str]:
    """A running execution and its upstream."""
    world = theatre.world
    load = world.add("sales.load", "succeeded")
    clean = world.add("sales.clean", "running", started_at=datetime.now(UTC))
    world.change(clean, upstream=(UpstreamView(execution=load, task="sales.load", state="succeeded"),))
    return clean, load


def test_links_between_executions_and_the_way_back(theatre: Stage, page: Page) -> None:
    """From the list to an execution, to its upstream, and back twice: each page and its address are as they were."""
    clean, load = _linked(theatre)
    page.goto(f"{theatre.url}/executions?range=7d&state=running")
    expect(page.get_by_text("1 match", exact=True)).to_be_visible()
    click_row(page, 0, OPEN)
    name = page.locator(".hr-name")
    expect(name).to_have_text("sales.clean")
    page.get_by_role("button", name="sales.load").click()
    expect(name).to_have_text("sales.load")
    assert address(page)["id"] == [load]
    page.go_back()
    expect(name).to_have_text("sales.clean")
    assert address(page)["id"] == [clean]
    page.go_back()
    expect(page.get_by_text("1 match", exact=True)).to_be_visible()
    assert address(page) == {"range": ["7d"], "state": ["running"]}


def _at_the_end(log: Locator) -> bool:
    """Whether the log shows its end, once it has moved as far as it wants to."""
    log.page.wait_for_timeout(SETTLES)
    return bool(log.evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight < 40"))


def test_the_log_follows_until_one_scrolls_up(theatre: Stage, page: Page) -> None:
    """New lines come into view; who scrolls up stays there; who returns to the end follows again."""
    clean, _ = _linked(theatre)
    theatre.world.log(clean, *(f"line {n}" for n in range(60)))
    page.goto(f"{theatre.url}/execution?id={clean}")
    log = page.locator(".st-key-hr-log")
    expect(log.get_by_text("line 59")).to_be_attached()
    theatre.world.log(clean, "the next one")
    expect(log.get_by_text("the next one")).to_be_attached()
    assert _at_the_end(log)
    log.hover()
    page.mouse.wheel(0, -600)
    theatre.world.log(clean, "while away")
    expect(log.get_by_text("while away")).to_be_attached()
    assert not _at_the_end(log)
    for _ in range(20):  # as a hand turns a wheel
        page.mouse.wheel(0, 50)
    assert _at_the_end(log)
    theatre.world.log(clean, *(f"later {n}" for n in range(30)))
    expect(log.get_by_text("later 29")).to_be_attached()
    assert _at_the_end(log)


def test_one_execution_is_cancelled_with_confirmation(theatre: Stage, page: Page) -> None:
    """Cancel asks first; no leaves it alone, yes stops it, and the page shows the new state by itself."""
    clean, _ = _linked(theatre)
    page.goto(f"{theatre.url}/execution?id={clean}")
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    cancel.click()
    page.get_by_role("button", name="Keep as it is").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert theatre.world.asked == []
    cancel.click()
    page.get_by_role("button", name="Cancel 1 execution").click()
    expect(page.locator(".st-key-hr-title .hr-cancelled")).to_be_visible()
    expect(cancel).to_be_disabled()


def test_the_dashboard_survives_the_apis_absence(theatre: Stage, page: Page) -> None:
    """API away: a banner, the old rows and their time. API back: the banner leaves by itself, filters as before."""
    name = theatre.world.add("orders.score", "failed")
    page.goto(f"{theatre.url}/executions?state=failed&refresh_5s=2s")
    expect(page.get_by_text("1 match", exact=True)).to_be_visible()
    banner = page.locator(".hr-banner")
    theatre.close_api()
    try:
        expect(banner).to_contain_text("The API is away. What you see is of")
        expect(page.locator(".hr-stale")).to_contain_text("data of")
        assert short_ids(page, 1) == [formats.short_id(name)]
    finally:
        theatre.open_api()
    expect(banner).to_have_count(0)
    assert address(page)["state"] == ["failed"]


def test_a_page_opened_while_the_api_is_away_fills_by_itself(theatre: Stage, page: Page) -> None:
    """Nothing but the banner at first; all of the execution once the API is back, without a reload."""
    name = theatre.world.add("orders.score", "running")
    theatre.close_api()
    try:
        page.goto(f"{theatre.url}/execution?id={name}")
        expect(page.locator(".hr-banner")).to_contain_text("The API is away. This page tries again every 2 s.")
        expect(page.locator(".hr-stale")).to_have_text("no data")
    finally:
        theatre.open_api()
    expect(page.locator(".hr-name")).to_have_text("orders.score")
    expect(page.get_by_text("No output yet.")).to_be_visible()
    expect(page.locator(".hr-banner")).to_have_count(0)


def test_no_text_of_others_is_interpreted(theatre: Stage, page: Page) -> None:
    """Names, reasons, errors, payloads and output with markup in them are shown as they are, and nothing runs."""
    more = {"error": HOSTILE, "payload": {HOSTILE: HOSTILE}, "why": (HOSTILE,), "owner": "ann", "worker": HOSTILE}
    name = theatre.world.add("x", "running", **more)
    theatre.world.rows[name] = theatre.world.rows[name].model_copy(
        update={"task": HOSTILE, "run": HOSTILE, "upstream": (UpstreamView(execution=name, task=HOSTILE),)}
    )
    theatre.world.log(name, HOSTILE)
    for path in ("/", "/executions", f"/execution?id={name}"):
        page.goto(f"{theatre.url}{path}")
        expect(page.locator(".hr-muted").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.locator('img[src="x"]').count() == 0
        assert page.title() != "1"
    expect(page.locator(".hr-name")).to_have_text(HOSTILE)
    expect(page.locator(".st-key-hr-log")).to_contain_text(HOSTILE)
    expect(page.locator('[class*="st-key-go_Upstream"]')).to_contain_text(HOSTILE)


@pytest.mark.parametrize(
    ("path", "title"),
    [("/", "Overview"), ("/executions", "Executions"), ("/execution?id={id}", "Execution")],
)
def test_a_link_to_a_page_is_named_and_asks_for_nothing_in_vain(
    theatre: Stage, page: Page, path: str, title: str
) -> None:
    """The tab has its name from the first byte; nothing is asked for that is not there, nor of other servers."""
    url = theatre.url + path.format(id=theatre.world.add("sales.load", "running"))
    assert f"<title>{title} · Headrace</title>" in httpx.get(url, trust_env=False).text
    answers: list[Response] = []
    asked: list[Request] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108  (playwright marks the function)
    page.on("request", lambda one: asked.append(one))  # noqa: PLW0108  (the same)
    page.goto(url)
    expect(page).to_have_title(f"{'sales.load' if title == 'Execution' else title} · Headrace")
    expect(page.locator(".hr-muted").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert [answer.url for answer in answers if not answer.ok] == []
    assert [one.url for one in asked if not one.url.startswith((theatre.url, "data:", "blob:"))] == []


def test_a_first_hour_fills_the_overview(theatre: Stage, page: Page) -> None:
    """Who comes to a young system sees its first hour; another choice stands in the address and survives a reload."""
    theatre.world.add("orders.score", "succeeded")
    theatre.world.minutes = 20
    page.goto(theatre.url)
    expect(page.get_by_text("Ended per minute")).to_be_visible()
    page.get_by_role("radio", name="24h").click()
    expect(page.get_by_text("Ended per 15 minutes")).to_be_visible()
    assert address(page) == {"window": ["24h"]}
    page.reload()
    expect(page.get_by_text("Ended per 15 minutes")).to_be_visible()
    page.get_by_role("link", name="Executions").first.click()
    expect(page.get_by_text("1 match", exact=True)).to_be_visible()


def test_a_bar_leads_to_what_ended_in_its_time(theatre: Stage, page: Page) -> None:
    """A click on a bar of what ended opens the list over that bar's time."""
    theatre.world.add("orders.score", "succeeded")
    theatre.world.minutes = 40
    page.goto(theatre.url)
    chart = page.locator(".st-key-throughput canvas")
    expect(page.get_by_text("Ended per minute")).to_be_visible()
    expect(chart).to_be_visible()
    page.wait_for_timeout(SETTLES)
    box = chart.bounding_box()
    assert box is not None
    for x in range(0, 30, 3):  # between two bars is nothing to click
        if address(page):
            break
        page.mouse.click(box["x"] + box["width"] * 0.7 + x, box["y"] + box["height"] * 0.75)
        page.wait_for_timeout(SETTLES)
    expect(page.get_by_role("heading", name="Executions")).to_be_visible()
    asked = address(page)
    assert asked["range"] == ["custom"]
    start, end = (datetime.fromisoformat(asked[key][0]) for key in ("since", "until"))
    assert end - start == timedelta(minutes=1)
    assert set(asked["state"]) == set(states.ENDED)


def test_a_filter_in_the_fold_shows_and_leaves(theatre: Stage, page: Page) -> None:
    """What is set under "More" stands beside the list; a click on it removes it from the list and the address."""
    theatre.world.add("orders.score", "succeeded", run="monday")
    theatre.world.add("orders.score", "succeeded", run="tuesday")
    page.goto(f"{theatre.url}/executions?run=monday&owner=ann&kind=function&kind=shell")
    expect(page.get_by_text("1 match", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="kind function or shell")).to_be_visible()
    page.get_by_role("button", name="run monday").click()
    expect(page.get_by_text("2 match", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="run monday")).to_have_count(0)
    assert address(page) == {"owner": ["ann"], "kind": ["function", "shell"]}


def test_the_list_fits_a_small_window(theatre: Stage, page: Page) -> None:
    """At 1280 pixels no column is cut, and there is room for a scroll bar beside the page."""
    theatre.world.add("orders.score", "upstream_failed")
    page.set_viewport_size({"width": 1265, "height": 720})
    page.goto(f"{theatre.url}/executions")
    short_ids(page, 1)
    table = page.locator('[data-testid="stDataFrame"] .dvn-scroller')
    assert table.evaluate("e => e.scrollWidth - e.clientWidth") == 0


@pytest.mark.parametrize("path", ["executions", "execution"])
def test_an_unknown_execution_is_said_to_be_unknown(theatre: Stage, page: Page, path: str) -> None:
    """Of an id that nobody knows there is one sentence and nothing else; once it is known, it appears by itself."""
    name = World().add("late.comer", "running")
    page.goto(f"{theatre.url}/{path}/{name}")
    expect(page).to_have_url(re.compile(rf"/execution\?id={name}"))
    expect(page.get_by_text(f"There is no execution {name}, or it is kept no longer.")).to_be_visible()
    expect(page.get_by_text("it appears here by itself")).to_be_visible()
    expect(page.get_by_role("heading")).to_have_text(["Execution"])
    assert theatre.world.add("late.comer", "running") == name
    expect(page.locator(".hr-name")).to_have_text("late.comer")
    expect(page.get_by_role("heading", name="Log")).to_be_visible()
    expect(page.get_by_text("No output yet.")).to_be_visible()


def test_a_word_that_is_no_id_is_told_what_an_id_is(theatre: Stage, page: Page) -> None:
    """It can never appear: nobody is to wait for it."""
    page.goto(f"{theatre.url}/execution?id=nosuch")
    expect(page.get_by_text("nosuch is no execution's id.")).to_be_visible()
    expect(page.get_by_text("it appears here by itself")).to_have_count(0)


def test_many_attempts_and_neighbours_stay_in_their_places(theatre: Stage, page: Page) -> None:
    """Of fifty attempts the last is in sight below its columns' names; on a telephone no long name is cut."""
    tries, now = 50, datetime.now(UTC)
    long = "wide." + "a_long_name_" * 6
    upstream = tuple(UpstreamView(execution=f"{n}", task=f"{long}{n}", state="succeeded") for n in range(60))
    name = theatre.world.add("wide.collect", "running", upstream=upstream, payload="x", **running(now, tries))
    page.goto(f"{theatre.url}/execution?id={name}")
    rows = page.locator(".st-key-hr-tries-scrolled tr")
    expect(rows).to_have_count(tries + 1)
    expect(rows.last).to_be_in_viewport()
    expect(rows.first.get_by_text("Started")).to_be_in_viewport()
    page.set_viewport_size({"width": 390, "height": 900})
    frame, link = page.locator(".st-key-hr-near-Upstream"), page.get_by_role("button", name=f"{long}0", exact=True)
    expect(link).to_be_visible()
    assert frame.evaluate("e => e.scrollWidth - e.clientWidth") == 0
    assert link.locator("code").evaluate("e => e.getBoundingClientRect().right") < 390


@pytest.mark.parametrize("path", ["/executionz", "/executions/", "/a/b?id=1"])
def test_what_is_no_page_says_which_there_are(theatre: Stage, page: Page, path: str) -> None:
    """An address at which there is nothing is answered so, in words of ours and with a link to each page."""
    theatre.world.add("orders.score", "running")
    answer = page.goto(theatre.url + path)
    assert answer is not None
    assert answer.status == HTTPStatus.NOT_FOUND
    expect(page.get_by_text(f"There is no page {urlsplit(path).path}. There are:")).to_be_visible()
    expect(page.get_by_role("link")).to_have_text(list(places.TITLES.values()))
    page.get_by_role("link", name="Executions").click()
    expect(page.get_by_text("1 match", exact=True)).to_be_visible()


def _rgb(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_states_have_their_colours(theatre: Stage, browser: Browser, scheme: str) -> None:
    """On the overview each state has exactly its colour of the browser's theme."""
    theatre.world.add("orders.score", "running")
    page = browser.new_context(color_scheme="dark" if scheme == "dark" else "light").new_page()
    page.goto(theatre.url)
    for state, look in states.LOOKS.items():
        text = page.locator(f".st-key-count-{state} p").first
        expect(text).to_contain_text(look.label)
        expect(text).to_have_css("color", _rgb(states.colour(look, scheme)))
    page.context.close()


def test_empty_places_say_why(theatre: Stage, page: Page) -> None:
    """Nothing at all, nothing that matches, nothing in the range, no such execution: each has its own words."""
    page.goto(theatre.url)
    expect(page.get_by_text("Nothing has run yet.")).to_be_visible()
    old = datetime.now(UTC) - timedelta(days=3)
    theatre.world.add("orders.score", "failed", created_at=old)
    page.goto(f"{theatre.url}/executions?state=lost")
    expect(page.get_by_text("No execution matches. Filters: state lost; range: 24h.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_text(re.compile("None in this range; the last one is 3d 00h old."))).to_be_visible()
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_text("1 match", exact=True)).to_be_visible()
    assert address(page) == {"range": ["all"]}
