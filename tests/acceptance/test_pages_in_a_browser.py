"""Every page in a real browser: nothing from elsewhere, no error of a script, readable for everybody, right on a phone.

The pages are those that links lead to from the front page, one for each route.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from aliquot.server.app import registered
from browse import DESKTOP, PHONE, chromium, faults_for_readers, reachable, sideways, signed_in, watched
from running_server import RunningServer, running_server
from shown_lab import STARTS, make_shown_lab

PAGES = [route.path for route in registered() if route.kind == "page"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(make_shown_lab(tmp_path_factory.mktemp("shown") / "lab")) as started:
        yield started


@pytest.fixture(scope="module")
def context(server: RunningServer) -> Iterator[BrowserContext]:
    with chromium() as browser:
        yield signed_in(browser, server, viewport={"width": DESKTOP[0], "height": DESKTOP[1]})


@pytest.fixture(scope="module")
def pages(server: RunningServer, context: BrowserContext) -> dict[str, str]:
    page, seen = watched(context, server.address)
    found = reachable(page, PAGES, STARTS)
    page.close()
    assert seen.errors == []
    assert seen.elsewhere == []
    return found


def test_links_lead_to_every_page(pages: dict[str, str]) -> None:
    assert set(PAGES) - set(pages) == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_from_using_a_page(
    server: RunningServer, context: BrowserContext, pages: dict[str, str], scheme: str
) -> None:
    page, _ = watched(context, server.address)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    faults: dict[str, list[str]] = {}
    for route, address in pages.items():
        page.goto(address)
        if found := faults_for_readers(page):
            faults[route] = found
    page.close()
    assert faults == {}


def test_no_page_is_wider_than_a_phone(server: RunningServer, context: BrowserContext, pages: dict[str, str]) -> None:
    page, _ = watched(context, server.address)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    wide: dict[str, int] = {}
    for route, address in pages.items():
        page.goto(address)
        if over := sideways(page):
            wide[route] = over
    page.close()
    assert wide == {}


def test_pages_work_without_script(server: RunningServer, context: BrowserContext, pages: dict[str, str]) -> None:
    browser = context.browser
    assert browser is not None
    bare = browser.new_context(
        base_url=server.address, java_script_enabled=False, storage_state=context.storage_state()
    )
    page = bare.new_page()
    for address in pages.values():
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200
        assert page.locator("h1").count() == 1, address
    bare.close()
