"""Words for Markdown: cells of tables, places in the code, the note on top of a generated page."""

from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "aliquot"


def page(title: str, about: str, *parts: str) -> str:
    """Put a page together: title, note, introduction, parts."""
    note = "<!-- Made by docs/generate.py from the code. Do not edit: change the code, then run `make docs`. -->"
    return "\n\n".join([f"# {title}", note, about.strip(), *(part.strip() for part in parts if part.strip())]) + "\n"


def cell(text: object) -> str:
    """Write a text so that it stays in its cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: object) -> str:
    """Write a text as code that stays in its cell."""
    return f"`{' '.join(str(text).split()).replace('|', chr(92) + '|')}`" if str(text) else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; without rows, nothing."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *lines])
