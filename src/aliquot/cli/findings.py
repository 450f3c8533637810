"""How findings look: row, column, value, and what is wrong in a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from aliquot.cli.output import STATE_STYLES, grid, say, stdout
from aliquot.cli.text import count, plain
from aliquot.model.finding import Finding

_LONGEST_VALUE = 40


def show_findings(
    findings: Sequence[Finding], counts: Mapping[str, int], *, most: int | None = None, files: int = 1
) -> None:
    """Print the first findings on stdout, and say how many more there are of each code; `files` were checked."""
    shown = list(findings[:most])
    if shown:
        stdout().print(grid(*_columns(shown, name_files=files > 1)))
    seen: dict[str, int] = {}
    for each in shown:
        seen[each.code] = seen.get(each.code, 0) + 1
    more = {code: number - seen.get(code, 0) for code, number in counts.items() if number > seen.get(code, 0)}
    if more:
        say("and " + ", ".join(f"{number:,} more of {plain(code)}" for code, number in more.items()))


def findings_in_short(counts: Mapping[str, int]) -> str:
    """Say how many findings there are of each code."""
    return ", ".join(f"{number:,} {code}" for code, number in counts.items())


def findings_column(found: Sequence[Mapping[str, int]], others: Sequence[Sequence[object]]) -> list[str]:
    """Say for each line of a table how many findings there are: of each code, where no code is broken by that.

    `others` are the table's other columns, each with its name first.
    """
    said = [findings_in_short(counts) for counts in found]
    room = stdout().width - sum(max(len(str(cell)) for cell in column) + 2 for column in others if any(column[1:]))
    if all(len(word) <= room for each in said for word in each.split()):
        return said
    return [f"{sum(counts.values()):,}" for counts in found]


def total(counts: Mapping[str, int]) -> str:
    """Say how many findings there are."""
    return count(sum(counts.values()), "finding")


def _columns(shown: Sequence[Finding], *, name_files: bool) -> tuple[list[str], list[list[Any]]]:
    """Leave out the columns that no finding fills."""
    wanted = {
        "": [Text(str(each.severity), style=STATE_STYLES.get(str(each.severity), "")) for each in shown],
        "file": [Text(plain(each.file or "") if name_files else "") for each in shown],
        ">row": [Text("" if each.row is None else str(each.row)) for each in shown],
        "column": [Text(plain(each.field or "")) for each in shown],
        "value": [Text(_short(each.value)) for each in shown],
        "what": [Text(plain(each.text)) for each in shown],
    }
    kept = {name: cells for name, cells in wanted.items() if any(cell.plain for cell in cells)}
    return list(kept), [list(row) for row in zip(*kept.values(), strict=True)]


def _short(value: str | None) -> str:
    text = plain(value or "")
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
