"""catalogue.md: the tables of the catalogue."""

from sqlalchemy import Column, Table, UniqueConstraint

from aliquot.db.tables import metadata
from generators.text import cell, code, page, table

_ABOUT = """\
The catalogue holds the facts: names, versions, states, leases. It is SQLite or PostgreSQL, with the same tables. Read
it as you like; write to it only through Aliquot. Times are seconds since 1970 in UTC. States are [these](states.md):
triggers refuse any change that is not listed there, and write a row of `event` for each that is."""


def catalogue_page() -> str:
    """Make the page."""
    parts: list[str] = []
    for each in metadata.tables.values():
        parts += [f"## {each.name}", cell(each.comment or ""), _columns(each)]
    return page("Catalogue", _ABOUT, *parts)


def _columns(of: Table) -> str:
    unique = [
        ", ".join(column.name for column in each.columns)
        for each in sorted(of.constraints, key=lambda each: str(each.name))
        if isinstance(each, UniqueConstraint)
    ]
    rows = [(code(each.name), _kind(each), _notes(each)) for each in of.columns]
    said = table(("column", "type", "what it holds"), rows)
    return said + (f"\n\nOne row for each: {'; '.join(unique)}." if unique else "")


def _kind(column: "Column[object]") -> str:
    kind = type(column.type).__name__
    words = {"BigInteger": "integer", "Integer": "integer", "Double": "number", "Text": "text", "JSON": "JSON",
             "Boolean": "true or false"}  # fmt: skip
    return words.get(kind, kind.lower()) + ("" if not column.nullable else ", may be null")


def _notes(column: "Column[object]") -> str:
    notes = ["key"] if column.primary_key else []
    notes += [f"to [{key.column.table.name}](#{key.column.table.name})" for key in column.foreign_keys]
    if column.comment:
        notes.append(cell(column.comment))
    return "; ".join(notes)
