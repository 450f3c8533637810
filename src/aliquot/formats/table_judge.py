"""The rows that the sieve held back, judged exactly and told in sentences."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aliquot.formats.table_header import Columns
from aliquot.formats.table_row_rules import RowCheck
from aliquot.formats.table_rules import kept, shown
from aliquot.formats.table_sieve import missing, sieve
from aliquot.formats.table_source import EXTRA, FAULT, ROW, WIDTH, Source, column
from aliquot.formats.table_survey import Survey
from aliquot.model.finding import Finding, Severity
from aliquot.model.table_schema import TableSchema

if TYPE_CHECKING:
    import polars as pl

_GOOD = "good"
_BLANK = "blank"
_FAULTS = {
    "open": ("unbalanced-quote", "a quotation mark is opened and never closed, so the rest of the file cannot be read"),
    "long": ("unbalanced-quote", "a cell has more than 16 million characters; a quotation mark is probably not closed"),
}
_SPOILED = {
    "\0": "holds a NUL byte, which text must not have; the file may be damaged",
    "\ufffd": "holds bytes that cannot be read as text; the file may be damaged or mix two encodings",
}


@dataclass(frozen=True, slots=True)
class _Told:
    """A finding in the making; the first four order findings as one reads a file."""

    row: int
    stage: int
    place: int
    number: int
    finding: Finding


class Judge:
    """Judges batches of rows in their order, counts everything and keeps the first `most` findings."""

    def __init__(
        self,
        columns: Columns,
        schema: TableSchema,
        source: Source,
        seen: Survey,
        most: int,
        checks: Sequence[RowCheck] = (),
    ) -> None:
        self._columns = columns
        self._checks = checks
        self._rewritten = source.rewritten
        self._most = most
        self._truncated = not seen.ends_with_line
        self._marks = [mark for mark, there in (("\0", seen.nuls), ("\ufffd", seen.broken)) if there]
        self._sieves = [sieve(rules, column(at), nullable=source.rewritten) for at, rules in enumerate(columns.rules)]
        places = [columns.place(name) for name in schema.primary_key]
        self._key = [place for place in places if place is not None] if None not in places else []
        self._told: dict[str, list[_Told]] = {}
        self._late: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self._refused = array("q")
        self._last = -1

    def sifted(self, frame: "pl.LazyFrame") -> "pl.LazyFrame":
        """Add the columns that `see` needs beside the texts: a verdict for each rule, one for the row.

        In steps, since polars would work an expression out again wherever it stands within another.
        """
        read = {name: cell for check in self._checks for name, cell in check.cells().items()}
        kept = {name: f"value{number}" for number, name in enumerate(read) if read[name].present is not None}
        cells = read | {name: read[name].kept_as(value) for name, value in kept.items()}
        across = [check.sieve(cells).alias(_kept_rule(number)) for number, check in enumerate(self._checks)]
        verdicts = [good.alias(_verdict(at)) for at, good in enumerate(self._sieves) if good is not None]
        if kept:
            frame = frame.with_columns(read[name].value.alias(value) for name, value in kept.items())
        frame = frame.with_columns([*verdicts, *across]).drop(kept.values())
        return frame.with_columns(self._whole().alias(_GOOD))

    def _whole(self) -> "pl.Expr":
        """Say of a row whether all of it is good."""
        import polars as pl

        width = len(self._columns.rules)
        whole = [pl.col(_verdict(at)) for at, good in enumerate(self._sieves) if good is not None]
        whole += [pl.col(_kept_rule(number)) for number in range(len(self._checks))]
        # A value that must be there keeps a row from being blank.
        if not any(rules.field.constraints.required for rules in self._columns.rules):
            whole.append(~self._blank())
        whole += [~missing(self._columns.rules[at].missing, pl.col(column(at))) for at in self._key]
        for mark in self._marks:
            whole += [
                ~pl.col(column(at)).str.contains(mark, literal=True).fill_null(value=False) for at in range(width)
            ]
        if self._rewritten:
            whole += [pl.col(WIDTH) == width, pl.col(FAULT) == ""]
        return pl.all_horizontal(whole)

    def see(self, batch: "pl.DataFrame") -> None:
        """Judge a batch of rows with their verdicts."""
        import polars as pl

        bad = batch.filter(~pl.col(_GOOD))
        if bad.is_empty():
            self._last = int(batch[ROW][-1]) if batch.height else self._last
            return
        bad = bad.with_columns(self._blank().alias(_BLANK))
        blank = bad.filter(_BLANK)[ROW]
        self._see_end(batch[ROW], blank)
        for row in blank:
            if self._counts(row, "blank-row"):
                self._keep(row, 0, 0, Finding("blank-row", f"Row {row + 2} is blank.", row=row + 2))
        rest = bad.filter(~pl.col(_BLANK))
        if self._rewritten:
            self._faults(rest)
            self._ragged(rest)
        for at, good in enumerate(self._sieves):
            if good is not None:
                self._cells(rest.filter(~pl.col(_verdict(at))), at)
        for mark in self._marks:
            for at in range(len(self._columns.rules)):
                self._spoiled(rest, at, mark)
        for number in range(len(self._checks)):
            self._broken_rules(rest, number)
        self._keyless(rest)

    def _see_end(self, rows: "pl.Series", blank: "pl.Series") -> None:
        """Remember the last row that is not blank."""
        empty = set(blank)
        self._last = next((int(row) for row in reversed(rows) if row not in empty), self._last)

    def rows(self) -> int:
        """Say how many rows there are without the blank ones at the end."""
        return self._last + 1

    def tell(self, row: int, code: str, field: str | None, value: str | None, rule: str, words: str) -> None:
        """Take what a key over the whole table finds."""
        if self._counts(row, code):
            text = f"Row {row + 2}: {field} {words}."
            self._keep(row, 3, 0, Finding(code, text, row=row + 2, field=field, value=_value(value), rule=rule))

    def findings(self, rows: int) -> list[Finding]:
        """Give the first findings in the order of rows, after a table of so many.

        Blank rows at the end are worth a warning: many programs write them, and they hold nothing that could be wrong.
        """
        told = [one for kept in self._told.values() for one in kept]
        told.sort(key=lambda one: (one.row, one.stage, one.place, one.number))
        return [self._cut_off(one, rows) for one in told[: self._most]]

    def refused_rows(self) -> tuple[int, ...]:
        """Give the zero-based data rows with at least one error."""
        return tuple(sorted({row for row in self._refused if row <= self._last}))

    def _cut_off(self, one: _Told, rows: int) -> Finding:
        if one.row > self._last and one.finding.code == "blank-row":
            text = f"{one.finding.text} It stands at the end of the file and is passed over."
            return replace(one.finding, text=text, severity=Severity.WARNING)
        if not self._truncated or one.row != rows - 1 or one.finding.code != "missing-cell":
            return one.finding
        return replace(one.finding, text=f"{one.finding.text} The file ends within this row: it was probably cut off.")

    def _blank(self) -> "pl.Expr":
        import polars as pl

        return pl.all_horizontal(
            missing(rules.missing, pl.col(column(at))) for at, rules in enumerate(self._columns.rules)
        )

    def _cells(self, suspects: "pl.DataFrame", at: int) -> None:
        rules, name = self._columns.rules[at], self._columns.names[at]
        for row, text in zip(suspects[ROW], suspects[column(at)], strict=True):
            for flaw in rules.judge(text):
                if self._counts(row, flaw.code):
                    words = f"Row {row + 2}: {name} {flaw.text}."
                    found = Finding(flaw.code, words, row=row + 2, field=name, value=_value(text), rule=flaw.rule)
                    self._keep(row, 1, at, found)

    def _broken_rules(self, rows: "pl.DataFrame", number: int) -> None:
        import polars as pl

        check = self._checks[number]
        suspects = rows.filter(~pl.col(_kept_rule(number))).select(ROW, *check.texts)
        for row, *texts in suspects.iter_rows():
            if check.broken(*texts) and self._counts(row, check.rule.code):
                self._keep(row, 2, len(self._columns.rules) + 1 + number, check.finding(row, texts))

    def _ragged(self, rows: "pl.DataFrame") -> None:
        import polars as pl

        width = len(self._columns.rules)
        uneven = rows.filter(pl.col(WIDTH) != width).select(ROW, WIDTH, EXTRA)
        for row, count, extra in uneven.iter_rows():
            if count > width and self._counts(row, "extra-cell"):
                words = f"has {count} cells, but the header has {width}; the first cell too many is {shown(extra)}"
                if count == width + 1 and str(extra).strip().isdecimal():
                    words += " (a decimal comma? write the number with a point, or in quotes)"
                found = Finding("extra-cell", f"Row {row + 2} {words}.", row=row + 2, value=kept(extra))
                self._keep(row, 2, width, found)
            if count < width and self._counts(row, "missing-cell"):
                name, *more = self._columns.names[count:]
                missed = f"{', '.join([name, *more])} {'are' if more else 'is'} missing"
                words = f"Row {row + 2} has only {count} of {width} cells: {missed}."
                self._keep(row, 2, count, Finding("missing-cell", words, row=row + 2, field=name))

    def _faults(self, rows: "pl.DataFrame") -> None:
        import polars as pl

        for row, fault in rows.filter(pl.col(FAULT) != "").select(ROW, FAULT).iter_rows():
            code, words = _FAULTS[fault]
            if self._counts(row, code):
                self._keep(row, 0, 0, Finding(code, f"Row {row + 2}: {words}.", row=row + 2))

    def _spoiled(self, rows: "pl.DataFrame", at: int, mark: str) -> None:
        import polars as pl

        name = self._columns.names[at]
        spoiled = rows.filter(pl.col(column(at)).str.contains(mark, literal=True))
        for row, text in spoiled.select(ROW, column(at)).iter_rows():
            if self._counts(row, "encoding-error"):
                words = f"Row {row + 2}: {name} {_SPOILED[mark]}."
                self._keep(row, 2, at, Finding("encoding-error", words, row=row + 2, field=name, value=kept(text)))

    def _keyless(self, rows: "pl.DataFrame") -> None:
        import polars as pl

        if not self._key:
            return
        rules = self._columns.rules
        absent = pl.any_horizontal(missing(rules[at].missing, pl.col(column(at))) for at in self._key)
        names = ", ".join(self._columns.names[at] for at in self._key)
        for row in rows.filter(absent)[ROW]:
            if self._counts(row, "primary-key"):
                words = f"Row {row + 2}: {names} is the key of the table and must not be empty."
                self._keep(row, 3, 0, Finding("primary-key", words, row=row + 2, field=names, rule="primaryKey"))

    def _counts(self, row: int, code: str) -> bool:
        """Count a finding, and say whether it may be among the first of its code."""
        self.counts[code] += 1
        self._refused.append(row)
        return row <= self._late.get(code, row)

    def _keep(self, row: int, stage: int, place: int, finding: Finding) -> None:
        # Rows come in batches in order, but keys are told afterwards: each code keeps its own first ones.
        kept = self._told.setdefault(finding.code, [])
        kept.append(_Told(row, stage, place, self.counts[finding.code], finding))
        if len(kept) > 2 * self._most + 100:
            kept.sort(key=lambda one: (one.row, one.stage, one.place, one.number))
            del kept[self._most :]
            self._late[finding.code] = kept[-1].row


def _value(text: str | None) -> str | None:
    return None if text is None else kept(text)


def _verdict(at: int) -> str:
    return f"good{at}"


def _kept_rule(number: int) -> str:
    return f"rule{number}"
