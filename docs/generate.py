"""Make the pages of docs/reference from the code; with `--check`, say which would change, and change nothing."""

import sys
from collections.abc import Callable
from pathlib import Path

from generators.catalogue import catalogue_page
from generators.commands import commands_page
from generators.definitions import definitions_page
from generators.errors import errors_page, findings_page
from generators.rights import rights_page
from generators.settings import settings_page
from generators.states import states_page

REFERENCE = Path(__file__).parent / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "definitions.md": definitions_page,
    "errors.md": errors_page,
    "findings.md": findings_page,
    "settings.md": settings_page,
    "catalogue.md": catalogue_page,
    "states.md": states_page,
    "rights.md": rights_page,
}


def main(words: list[str]) -> int:
    """Write the pages, or compare them with what is there."""
    made = {name: make() for name, make in PAGES.items()}
    there = {path.name: path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md")}
    stale = sorted(name for name in {*made, *there} if made.get(name) != there.get(name))
    if "--check" in words:
        for name in stale:
            sys.stdout.write(f"docs/reference/{name} is not what the code says; run: make docs\n")
        return 1 if stale else 0
    REFERENCE.mkdir(exist_ok=True)
    for name in stale:
        if name in made:
            (REFERENCE / name).write_text(made[name], encoding="utf-8")
            sys.stdout.write(f"wrote docs/reference/{name}\n")
        else:
            (REFERENCE / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
