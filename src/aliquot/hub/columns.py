"""The columns of a hub table: their names, kinds and changes. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from aliquot.model.digest import Digest, digest_document
from aliquot.model.errors import Conflict, Invalid
from aliquot.model.table_schema import Field, FieldType, TableSchema

Kind = Literal["integer", "number", "boolean", "date", "datetime", "time", "json", "string"]

KINDS: dict[FieldType, Kind] = {
    "any": "string",
    "array": "json",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "duration": "string",
    "geojson": "json",
    "geopoint": "string",
    "integer": "integer",
    "list": "string",
    "number": "number",
    "object": "json",
    "string": "string",
    "time": "time",
    "year": "integer",
    "yearmonth": "string",
}
"""What a field of each type becomes. What SQL has no type for keeps its text."""

OURS: dict[str, Kind] = {"_dataset": "string", "_version": "integer", "_path": "string", "_run": "integer"}
"""Where a row came from: columns of every table."""

_WIDER: dict[Kind, frozenset[Kind]] = {"integer": frozenset({"number", "string"}), "number": frozenset({"string"})}
_LONGEST_NAME = 63  # PostgreSQL cuts longer names silently, so that two of them may become one


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a hub table."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Shape:
    """What a hub table looks like: its columns, without ours, and the key by which rows are replaced."""

    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """Give the shape as the hub keeps it."""
        return {"columns": [{"name": c.name, "kind": c.kind} for c in self.columns], "key": list(self.key)}

    def digest(self) -> Digest:
        """Name the shape by its content."""
        return digest_document(self.document())


@dataclass(frozen=True, slots=True)
class Change:
    """What has to be done to a table so that it takes the new shape."""

    added: tuple[Column, ...] = ()
    widened: tuple[Column, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.widened)

    def sentences(self) -> tuple[str, ...]:
        """Say what changes, for a person."""
        added = tuple(f"{column.name} is added ({column.kind})" for column in self.added)
        return added + tuple(f"{column.name} is widened to {column.kind}" for column in self.widened)


def shape_of(schema: TableSchema, key: Iterable[str] = ()) -> Shape:
    """Give the shape that a Table Schema asks for; names that a hub cannot hold are `Invalid`."""
    shape = Shape(tuple(Column(field.name, KINDS[field.type]) for field in schema.fields), tuple(key))
    seen: dict[str, str] = {}
    for column in shape.columns:
        check_name("column", column.name)
        folded = column.name.casefold()
        if folded in OURS:
            raise Invalid(
                "hub-name-reserved",
                f"The column {column.name!r} has a name that the hub keeps for itself; rename the column.",
                column=column.name,
            )
        if folded in seen:
            raise Invalid(
                "hub-name-twice",
                f"The columns {seen[folded]!r} and {column.name!r} differ in capitals alone, which SQLite cannot "
                "tell apart; rename one.",
                columns=[seen[folded], column.name],
            )
        seen[folded] = column.name
    names = {column.name for column in shape.columns}
    for name in shape.key:
        if name not in names:
            raise Invalid(
                "hub-key-unknown",
                f"The key names the column {name!r}, which the schema does not have; name one of its columns.",
                column=name,
            )
    return shape


def check_table_name(name: str) -> None:
    """Refuse a name that no hub table may have."""
    check_name("table", name)
    if name.casefold().startswith(("_", "sqlite_", "pg_")):
        raise Invalid(
            "hub-name-reserved",
            f"The table name {name!r} begins with _, sqlite_ or pg_, which are kept for the hub itself; rename it.",
            table=name,
        )


def check_name(what: str, name: str) -> None:
    """Refuse a name that one of the two databases would change or reject."""
    if not name.strip() or not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
        raise Invalid(
            "hub-name-unusable",
            f"The {what} name {name!r} cannot be used; it needs 1 to {_LONGEST_NAME} bytes of printable text.",
            name=name,
        )


def change(table: str, old: Shape, new: Shape, *, accepted: bool) -> Change:
    """Compare a table with what a schema asks for; refuse what was not accepted or never can be."""
    before: dict[str, Kind] = {column.name: column.kind for column in old.columns}
    after = {column.name: column.kind for column in new.columns}
    gone = [name for name in before if name not in after]
    differing = [c for c in new.columns if c.name in before and before[c.name] != c.kind]
    narrowed = [c for c in differing if c.kind not in _WIDER.get(before[c.name], frozenset())]
    refused = [f"{name} is gone" for name in gone]
    refused += [f"{c.name} changes from {before[c.name]} to {c.kind}" for c in narrowed]
    if old.key and old.key != new.key:
        refused.append(f"the key changes from {', '.join(old.key)} to {', '.join(new.key) or 'none'}")
    if refused:
        raise Conflict(
            "hub-schema-changed",
            f"The schema of {table} has changed in a way that would lose data: {'; '.join(refused)}. "
            "Load it into a table with a new name, or restore the columns.",
            table=table,
            refused=refused,
        )
    found = Change(tuple(c for c in new.columns if c.name not in before), tuple(differing))
    if found and not accepted:
        raise Conflict(
            "hub-schema-changed",
            f"The schema of {table} has changed: {'; '.join(found.sentences())}. To change the table, write "
            f"'accept_schema_change: true' beside it in the pipeline file.",
            table=table,
            changes=list(found.sentences()),
        )
    return found


def fields_by_name(schema: TableSchema) -> dict[str, Field]:
    """Give the fields by name."""
    return {field.name: field for field in schema.fields}
