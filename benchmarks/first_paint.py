"""When a browser shows something of a page for the first time."""

import shutil
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from playwright.sync_api import sync_playwright

_TIMES = 5
_PAINTED = """() => new Promise(done => {
  const told = list => list.find(each => each.name === "first-contentful-paint");
  const there = told(performance.getEntriesByType("paint"));
  if (there) { done(there.startTime); return; }
  new PerformanceObserver(list => { const each = told(list.getEntries()); if (each) done(each.startTime); })
    .observe({type: "paint", buffered: true});
})"""


def first_paints(address: str, cookies: Mapping[str, str], paths: Sequence[str]) -> dict[str, dict[str, float]]:
    """Give, by path, the milliseconds from asking to the first content: in a browser that has nothing, and after.

    `cold` and `warm` are medians; empty where there is no Chromium.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        return {}
    own = [{"name": name, "value": value, "url": address} for name, value in cookies.items()]
    found: dict[str, dict[str, float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for path in paths:
            cold: list[float] = []
            warm: list[float] = []
            for _ in range(_TIMES):
                context = browser.new_context(base_url=address)
                context.add_cookies(own)  # type: ignore[arg-type]
                page = context.new_page()
                cold.append(_painted(page, path))
                warm.append(_painted(page, path))
                context.close()
            found[path] = {"cold": statistics.median(cold), "warm": statistics.median(warm)}
        browser.close()
    return found


def _painted(page: Any, path: str) -> float:
    page.goto(path, wait_until="commit")
    return float(page.evaluate(_PAINTED))
