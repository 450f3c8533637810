"""Debian's Chromium, driven by Playwright, and what is looked for on every page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services import require_service

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"


@contextmanager
def running_browser() -> Iterator[Any]:
    """Start Chromium without a window."""
    program = shutil.which("chromium")
    require_service(program is not None, "the Debian package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def axe_findings(page: Any) -> list[str]:
    """Give what axe-core finds on a page against WCAG A and AA."""
    # Through the debugger, past the policy that forbids scripts which are not ours.
    page.evaluate(f"() => {{ {AXE.read_text()} }}")
    rules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
    found = page.evaluate(f"() => axe.run(document, {rules})")
    return [
        f"{each['id']}: {node['html'][:150]} {node.get('failureSummary', '')[:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
