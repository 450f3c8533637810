"""What a Table Schema and its row rules say about fields: that it can be applied to them."""

import re
from collections.abc import Iterator, Sequence

from aliquot.definitions.problem import Path, Problem, instead
from aliquot.definitions.yaml_text import Document
from aliquot.formats.rule_tree import read_rule
from aliquot.formats.table_codes import TABLE_CODES
from aliquot.formats.table_rules import ColumnRules
from aliquot.model.errors import Invalid
from aliquot.model.pattern import compiled
from aliquot.model.row_rule import RowRule
from aliquot.model.table_schema import TableSchema


def check_rules(document: Document, path: Path, rules: Sequence[RowRule], table: TableSchema) -> Iterator[Problem]:
    """Give the row rules that cannot be read, do not fit the columns, or have a code that means something else."""
    names = [field.name for field in table.fields]
    for at, rule in enumerate(rules):
        if rule.code in TABLE_CODES:
            words = f"{rule.code!r} is what another finding about tables is called; give the rule a code of its own"
            yield document.problem((*path, at, "code"), words)
        if rule.code in [other.code for other in rules[:at]]:
            words = f"two rules have the code {rule.code!r}; a code is given once"
            yield document.problem((*path, at, "code"), words)
        try:
            read_rule(rule.rule, table)
        except Invalid as error:
            words = error.message
            column = error.facts.get("column")
            if isinstance(column, str) and ";" not in words:
                words = f"there is no column {column!r}{instead(column, names)}"
            yield document.problem((*path, at, "rule"), words.removeprefix("the rule "))


def check_fields(document: Document, path: Path, table: TableSchema) -> Iterator[Problem]:
    """Give formats and constraints that their fields' types do not have, and foreign keys that cannot be followed."""
    for at, field in enumerate(table.fields):
        if _told_elsewhere(field.constraints.pattern) or field.constraints.json_schema is not None:
            continue
        try:
            ColumnRules(field, table)
        except Invalid as error:
            words = error.message.removeprefix(f"field {field.name!r} ")
            key = next((key for key in ("format", "itemType") if key.lower() in error.code.replace("-", "")), "")
            yield document.problem((*path, "fields", at, *([key] if key else ["constraints"])), words)
    names = [field.name for field in table.fields]
    for at, key in enumerate(table.foreign_keys):
        where = (*path, "foreignKeys", at, "reference", "fields")
        if len(key.fields) != len(key.reference.fields):
            words = f"has {len(key.reference.fields)} columns for the {len(key.fields)} of the key; give as many"
            yield document.problem(where, words)
        if not key.reference.resource:
            for name in key.reference.fields:
                if name not in names:
                    yield document.problem(where, f"there is no field {name!r}{instead(name, names)}")


def _told_elsewhere(pattern: str | None) -> bool:
    """Say whether a pattern is none, which the check of patterns tells at its own place."""
    try:
        compiled(pattern or "")
    except re.error:
        return True
    return False
