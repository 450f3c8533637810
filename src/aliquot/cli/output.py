"""Results on stdout, talk on stderr: tables, facts, trees, JSON."""

import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from aliquot.cli.text import as_json, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_UNBOUND = 4_000
"""Columns of a result that no terminal shows: a pipe or file gets each row on one line."""

STATE_STYLES: Mapping[str, str] = {
    "COMPLETE": "green",
    "DONE": "green",
    "RUNNING": "cyan",
    "INITIALIZING": "cyan",
    "EXECUTOR_ERROR": "red",
    "SYSTEM_ERROR": "red",
    "FAILED": "red",
    "error": "red",
    "warning": "yellow",
    "CANCELED": "yellow",
    "CANCELING": "yellow",
    "PAUSED": "yellow",
    "accepted": "green",
    "released": "green",
    "quarantined": "yellow",
    "rejected": "red",
    "run": "cyan",
    "skip": "dim",
}
"""Colours of states and decisions; they say nothing that the word does not say, too."""


def stdout() -> "Console":
    """Give the console of results."""
    return _console(sys.stdout)


def stderr() -> "Console":
    """Give the console of talk and progress."""
    return _console(sys.stderr)


@cache
def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    width = None if stream.isatty() or "COLUMNS" in os.environ else _UNBOUND
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_json(document: Any) -> None:
    """Print a result as JSON on stdout."""
    sys.stdout.write(as_json(document) + "\n")


def print_json_list(documents: Iterable[Any]) -> None:
    """Print results as one JSON list on stdout, each as it comes."""
    mark = "["
    for each in documents:
        sys.stdout.write(mark + "\n" + as_json(each))
        mark = ","
    sys.stdout.write("\n]\n" if mark == "," else "[]\n")


def say(text: "str | Text") -> None:
    """Say a sentence on stderr: a terminal wraps it at words, a log keeps it on its line."""
    console = stderr()
    console.print(text, soft_wrap=not console.is_terminal)


def say_rest(shown: int, there_are: int, kept: str = "newest") -> None:
    """Say that a list was cut off, and of how many lines it shows the `kept`; says nothing of one that is whole.

    There are -1 where nobody has counted them, but more than are shown.
    """
    if there_are < 0:
        say(f"… the {kept} {shown:,}; --limit shows more.")
    elif there_are > shown:
        say(f"… the {kept} {shown:,} of {there_are:,}; --limit shows more.")


_WHOLE = {"state", "file", "path", "digest", "decision", "version", "dataset", "task", "table", "run"}
_NARROWEST = 12


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str, every_column: bool = False) -> None:
    """Print rows in aligned columns on stdout; a column whose name begins with `>` is aligned right.

    Without rows, `empty` is said on stderr. Cells that are texts are made plain; states get their colour. A column
    without a value is left out, unless `every_column` is wanted.
    """
    given = [list(row) for row in rows]
    if not given:
        say(empty)
        return
    kept = [at for at in range(len(columns)) if every_column or any(row[at] not in ("", None) for row in given)]
    shown = [columns[at] for at in kept]
    cells = [[_cell(row[at]) for at in kept] for row in given]
    # What people copy is never broken: where a line is too narrow for it, the terminal wraps the line as a whole.
    whole = {at for at, name in enumerate(shown) if name.removeprefix(">") in _WHOLE or name.startswith(">")}
    needed = sum(_width(name, [row[at] for row in cells], at in whole) + 2 for at, name in enumerate(shown))
    stdout().print(grid(shown, cells, whole), width=max(stdout().width, needed), crop=False)


def _width(name: str, cells: Sequence[Any], whole: bool) -> int:
    longest = max((len(str(cell)) for cell in cells), default=0)
    return max(len(name.removeprefix(">")), longest if whole else min(longest, _NARROWEST))


def grid(
    columns: Sequence[str], rows: Iterable[Sequence["RenderableType"]], whole: Collection[int] = ()
) -> "RenderableType":
    """Build a table without lines; the columns at `whole` are never wrapped."""
    from rich.table import Table

    built = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False, show_edge=False)
    for at, name in enumerate(columns):
        right = name.startswith(">")
        built.add_column(
            name.removeprefix(">"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right or at in whole,
        )
    for row in rows:
        built.add_row(*row)
    return built


def facts(pairs: Mapping[str, Any]) -> None:
    """Print names and values below each other on stdout, leaving out the empty ones."""
    from rich.table import Table
    from rich.text import Text

    built = Table.grid(padding=(0, 2))
    built.add_column(style="dim", no_wrap=True)
    built.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, ""):
            built.add_row(Text(name), _cell(value))
    stdout().print(built)


def heading(text: str) -> None:
    """Print a heading on stdout, after an empty line."""
    from rich.text import Text

    stdout().print()
    stdout().print(Text(plain(text), style="bold"))


def line(text: str, style: str = "") -> None:
    """Print one line of a result on stdout, unbroken."""
    from rich.text import Text

    stdout().print(Text(text, style=style), soft_wrap=True)


def _cell(value: Any) -> "RenderableType":
    from rich.console import ConsoleRenderable
    from rich.text import Text

    if isinstance(value, ConsoleRenderable):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    text = "" if value is None else plain(str(value))
    return Text(text, style=STATE_STYLES.get(text, ""))
