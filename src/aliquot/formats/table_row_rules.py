"""The row rules of a table: which rows break one, and the words about it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aliquot.formats.rule_cells import QuickCell, quick_cell
from aliquot.formats.rule_exact import truth
from aliquot.formats.rule_kinds import value_of
from aliquot.formats.rule_sieve import row_sieve
from aliquot.formats.rule_tree import columns_of, read_rule
from aliquot.formats.table_header import Columns
from aliquot.formats.table_rules import ColumnRules, kept, shown
from aliquot.formats.table_source import column
from aliquot.model.finding import Finding
from aliquot.model.row_rule import RowRule
from aliquot.model.table_schema import TableSchema

if TYPE_CHECKING:
    import polars as pl


def require_rules(rules: Sequence[RowRule], schema: TableSchema) -> None:
    """Raise `Invalid` for a rule that cannot be applied to the columns of a schema."""
    for rule in rules:
        read_rule(rule.rule, schema)


class RowCheck:
    """One rule on the columns of a file. What it names and the file lacks has no value anywhere."""

    def __init__(self, rule: RowRule, columns: Columns, schema: TableSchema) -> None:
        self.rule = rule
        self._root = read_rule(rule.rule, schema)
        self.names = tuple(columns_of(self._root))
        places = [(name, columns.place(name)) for name in self.names]
        self._columns = [(name, columns.rules[at], at) for name, at in places if at is not None]
        self.texts = tuple(column(at) for _, _, at in self._columns)
        self._values = [value_of(rules.field) for _, rules, _ in self._columns]
        self.broken = lru_cache(maxsize=4096)(self._broken)

    def cells(self) -> dict[str, QuickCell]:
        """Give what its columns hold."""
        return {name: quick_cell(rules, column(at)) for name, rules, at in self._columns}

    def sieve(self, cells: Mapping[str, QuickCell]) -> "pl.Expr":
        """Give an expression that is true only for rows that meet the rule."""
        return row_sieve(self._root, cells)

    def _broken(self, *texts: str | None) -> bool:
        """Say whether a row breaks the rule, whose columns of the rule hold these texts.

        A cell that cannot be read is told as such; nothing is known of its row then.
        """
        values: dict[str, Any] = {}
        for (name, rules, _), value_of_cell, text in zip(self._columns, self._values, texts, strict=True):
            if text is None or text in rules.missing:
                continue
            value = _read(rules, text)
            if value is None:
                return False
            values[name] = value_of_cell(value)
        return truth(self._root, values) is False

    def finding(self, row: int, texts: Sequence[str | None]) -> Finding:
        """Tell a row that breaks the rule, by its zero-based number."""
        by_name = {name: text or "" for (name, _, _), text in zip(self._columns, texts, strict=True)}
        said = self.rule.text.rstrip(".") or f"the rule {self.rule.rule} is broken"
        here = ", ".join(f"{name} is {shown(text) if (text := by_name.get(name)) else 'empty'}" for name in self.names)
        return Finding(
            self.rule.code,
            f"Row {row + 2}: {said}" + (f" ({here})." if here else "."),
            row=row + 2,
            field=", ".join(self.names) or None,
            value=", ".join(kept(by_name.get(name, "")) for name in self.names) or None,
            rule=self.rule.rule,
        )


def _read(rules: ColumnRules, text: str) -> Any:
    try:
        return rules.read(text)
    except (ValueError, ArithmeticError):
        return None
