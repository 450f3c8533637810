"""What the tutorial and the how-to pages show is what happens: their commands are run, in order, in an empty folder."""

import re
import shutil
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))

from generators.sessions import Session, commands, unchanging  # noqa: E402 - found through the line above

from services import require_service  # noqa: E402

PAGES = [path for path in sorted(DOCS.rglob("*.md")) if "```console" in path.read_text(encoding="utf-8")]


def test_the_tutorial_shows_commands() -> None:
    shown = [each.text for each in commands((DOCS / "tutorial" / "first-lab.md").read_text(encoding="utf-8"))]
    for noun in ("init", "apply", "up", "quarantine", "pipeline plan", "run why", "lineage", "dataset export", "hub"):
        assert any(text.startswith(f"aliquot {noun}") for text in shown), noun


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_commands_do_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for program in re.findall(r"<!-- needs (\w+) -->", text):
        require_service(shutil.which(program) is not None, f"{program} (Debian)")
    session = Session(tmp_path)
    for command in commands(text):
        ended = session.run(command.text)
        said = "\n".join(ended.lines)
        assert ended.code == command.exits, f"{command.text}\nended with {ended.code}:\n{said}"
        if command.shown:
            # Refresh a page whose commands rightly print something else: python docs/run_pages.py PAGE
            assert unchanging(ended.lines) == unchanging(command.lines), f"{command.text}\nprinted:\n{said}"
