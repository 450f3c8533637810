"""commands.md: every command's own help, and what exit codes mean."""

import io
import os
from collections.abc import Iterator
from typing import Any

from cyclopts import App
from rich.console import Console

from aliquot.cli.app import make_app
from aliquot.cli.failure import OUR_FAULT, STOPPED
from aliquot.model.errors import FAMILIES
from generators.text import code, page, table

WIDTH = 100

_ABOUT = """\
Results go to stdout, talk and progress to stderr. Every command takes `--json`: results then are JSON on stdout, and
an error is a JSON object on stderr. `aliquot COMMAND --help` prints what stands here.

A *reference* names a dataset, a version of it, or a file or folder in that version: `plates`, `plates@3`,
`plates@approved:/plate-1.csv`. Without a version it means the newest one."""


def commands_page() -> str:
    """Make the page."""
    app = make_app()
    parts = ["## Exit codes", _exit_codes(), "## aliquot", _help(app, [])]
    for words in all_commands(app):
        parts += [f"{'#' * (len(words) + 1)} aliquot {' '.join(words)}", _help(app, words)]
    return page("Commands", _ABOUT, *parts)


def all_commands(app: App, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """List all commands and their commands, in the order of the help."""
    for name in app:
        if not name.startswith("-"):
            yield (*before, name)
            yield from all_commands(app[name], (*before, name))


def help_text(app: App, words: tuple[str, ...] | list[str]) -> str:
    """Give the help of a command as it is printed."""
    written = io.StringIO()
    console = Console(file=written, width=WIDTH, highlight=False, markup=False, emoji=False, color_system=None)
    app.help_print(list(words), console=console)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()).strip()


def _help(app: App, words: Any) -> str:
    # A default that is read from the environment must not come into the page.
    os.environ.pop("ALIQUOT_LAB", None)
    return f"```text\n{help_text(app, words)}\n```"


def _exit_codes() -> str:
    rows = [
        ("0", "Done.", ""),
        ("1", "Done, but a file was refused, a datum is parked, or a run or load failed.", ""),
        *((str(each.exit_code), (each.__doc__ or "").strip(), code(each.family)) for each in FAMILIES),
        (str(OUR_FAULT), "A fault of Aliquot. A trace is in `.aliquot/logs`.", ""),
        (str(STOPPED), "Stopped with Ctrl-C.", ""),
    ]
    return table(("exit code", "meaning", "[family of errors](errors.md)"), rows)
