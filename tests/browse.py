"""A real browser over a running server: every page that can be reached from the front page, one for each route."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from running_server import PASSWORD, RunningServer
from services import require_service

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
DESKTOP = (1280, 800)
PHONE = (360, 740)
WIDE = (2560, 1440)
_ADDRESSES = "all => all.map(each => each.getAttribute('href'))"


@dataclass(slots=True)
class Seen:
    """What a page did besides showing itself."""

    elsewhere: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    require_service(program is not None, "chromium (Debian)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def signed_in(browser: Browser, server: RunningServer, **options: object) -> BrowserContext:
    """Open a browser of the first administrator."""
    context = browser.new_context(base_url=server.address, **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(server.first_link())
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("button.main")
    page.wait_for_url(f"{server.address}/")
    page.close()
    return context


def watched(context: BrowserContext, address: str) -> tuple[Page, Seen]:
    """Open a page, and note what it asks other hosts for and what its scripts complain of."""
    page, seen = context.new_page(), Seen()
    own = urlsplit(address).netloc

    def asked(url: str) -> None:
        if urlsplit(url).netloc not in {own, ""}:
            seen.elsewhere.append(url)

    page.on("request", lambda request: asked(request.url))
    page.on("pageerror", lambda error: seen.errors.append(f"{page.url}: {error}"))
    page.on("console", lambda said: seen.errors.append(f"{page.url}: {said.text}") if said.type == "error" else None)
    return page, seen


def reachable(page: Page, routes: Sequence[str], starts: Sequence[str], most: int = 150) -> dict[str, str]:
    """Follow the links from some pages on; gives, by the pattern of the route, the first address that is of it.

    `routes` are patterns such as `/runs/{number}`; addresses of none of them are not followed.
    """
    patterns = {route: _pattern(route) for route in routes}
    found: dict[str, str] = {}
    waiting = list(starts)
    while waiting and len(found) < most:
        address = waiting.pop(0)
        path = urlsplit(address).path
        route = next((name for name, pattern in patterns.items() if pattern.fullmatch(path)), None)
        if route is None or route in found:
            continue
        found[route] = address
        page.goto(address)
        links: list[str] = page.eval_on_selector_all(
            "a[href]:not([download])", "all => all.map(a => a.getAttribute('href'))"
        )
        waiting += [urljoin(path, link) for link in links if link and not link.startswith(("#", "http"))]
    return found


def _pattern(route: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(:path)?\}", route)
    text = "".join(
        re.escape(part) if at % 3 == 0 else (".+" if parts[at + 1] else "[^/]+") if at % 3 == 1 else ""
        for at, part in enumerate(parts)
    )
    return re.compile(text)


def faults_for_readers(page: Page) -> list[str]:
    """Ask axe-core what keeps people from using the page: rule, what it is about, and where."""
    # Its own world: what the page's policy forbids is not allowed for the sake of a test.
    page.context.new_cdp_session(page).send("Page.setBypassCSP", {"enabled": True})
    page.reload()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})")
    return [
        f"{each['id']}: {each['help']}: {node['target']} {node['html'][:160]}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]


def sideways(page: Page) -> int:
    """Give by how many pixels a page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
