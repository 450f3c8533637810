"""Keys over a whole table: what must be unique, and what must be found elsewhere in the same file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aliquot.formats.table_header import Columns
from aliquot.formats.table_rules import ColumnRules, shown
from aliquot.formats.table_sieve import missing
from aliquot.formats.table_source import ROW, column
from aliquot.model.table_schema import TableSchema

if TYPE_CHECKING:
    import polars as pl

# Texts of these types are equal exactly when their values are.
_AS_WRITTEN = {("any", "default"), ("string", "default"), ("string", "email"), ("string", "uri"), ("string", "uuid"),
               ("string", "binary"), ("date", "default"), ("yearmonth", "default")}  # fmt: skip
_ONE_SPELLING = {"integer": "^(?:0|-?[1-9][0-9]{0,20})$", "number": r"^(?:0|-?[1-9][0-9]{0,20}|-?(?:0|[1-9][0-9]{0,20})\.[0-9]{0,14}[1-9])$"}  # noqa: E501  # fmt: skip

Tell = Callable[[int, str, str | None, str | None, str, str], None]
"""Takes what a key finds: row, code, field, value, rule, and the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Key:
    """Columns whose values together may stand in one row only."""

    code: str
    rule: str
    places: tuple[int, ...]


def unique_keys(columns: Columns, schema: TableSchema) -> list[Key]:
    """List what must be unique, each once, as far as the file has the columns for it."""
    wanted = [("primary-key", "primaryKey", schema.primary_key)] if schema.primary_key else []
    wanted += [("unique-error", "unique", [field.name]) for field in schema.fields if field.constraints.unique]
    wanted += [("unique-error", "uniqueKeys", names) for names in schema.unique_keys]
    # What is asked for twice, such as a primary key that is unique besides, is told once.
    keys: dict[frozenset[int | None], Key] = {}
    for code, rule, names in wanted:
        places = [columns.place(name) for name in names]
        if None not in places:
            key = Key(code, rule, tuple(place for place in places if place is not None))
            keys.setdefault(frozenset(places), key)
    return list(keys.values())


def key_hash(columns: Columns, key: Key) -> "pl.Expr":
    """Give the hash of a key's values as 64 bits; null where a part of the key has no value."""
    import polars as pl

    parts = [canonical(columns.rules[place], column(place)) for place in key.places]
    hashed = (parts[0] if len(parts) == 1 else pl.struct(parts)).hash()
    return pl.when(pl.all_horizontal(part.is_not_null() for part in parts)).then(hashed)


def canonical(rules: ColumnRules, name: str) -> "pl.Expr":
    """Give a column's texts such that equal values have equal texts; null for no value."""
    import polars as pl

    cell = pl.col(name)
    present = pl.when(~missing(rules.missing, cell)).then(cell)
    if (rules.field.type, rules.field.format or "default") in _AS_WRITTEN:
        return present
    spelling = _ONE_SPELLING.get(rules.field.type)
    if rules.field.decimal_char != ".":
        spelling = None

    def respell(texts: "pl.Series") -> "pl.Series":
        if spelling is not None:
            odd = texts.str.contains(spelling).not_().fill_null(value=False)
            if not odd.any():
                return texts
        return pl.Series(texts.name, [rules.canonical(text) for text in texts], dtype=pl.String)

    return present.map_batches(respell, return_dtype=pl.String, is_elementwise=True)


def find_doubles(frame: "pl.LazyFrame", columns: Columns, key: Key, hashes: "pl.Series", tell: Tell) -> None:
    """Tell the rows whose key stands in an earlier row: by hash first, and then exactly for equal hashes only.

    `hashes` are those of all rows, in order.
    """
    import polars as pl

    ordered = hashes.drop_nulls().sort(multithreaded=False)
    twice = ordered.filter(ordered == ordered.shift(1)).unique()
    if twice.is_empty():
        return
    candidates = (
        frame.select(ROW, *(column(place) for place in key.places), key_hash(columns, key).alias("hash"))
        .filter(pl.col("hash").is_in(twice.implode()))
        .drop("hash")
    )
    seen: dict[tuple[str | None, ...], int] = {}
    for row, texts in rows_of(candidates):
        values = tuple(columns.rules[at].canonical(text) for at, text in zip(key.places, texts, strict=True))
        if None in values:
            continue
        first = seen.setdefault(values, row)
        if first != row:
            names = ", ".join(columns.names[place] for place in key.places)
            words = f"is {_listed(texts)}, which stands in row {first + 2} already"
            tell(row, key.code, names, ", ".join(text or "" for text in texts), key.rule, words)


def find_strangers(frame: "pl.LazyFrame", columns: Columns, schema: TableSchema, tell: Tell) -> None:
    """Tell the rows whose foreign key into the same file names values that stand nowhere in it."""
    for foreign in schema.foreign_keys:
        if foreign.reference.resource:
            continue
        own = [columns.place(name) for name in foreign.fields]
        other = [columns.place(name) for name in foreign.reference.fields]
        if None in own or None in other or len(own) != len(other):
            continue
        _strangers(frame, columns, [at for at in own if at is not None], [at for at in other if at is not None], tell)


def _strangers(frame: "pl.LazyFrame", columns: Columns, own: list[int], other: list[int], tell: Tell) -> None:
    import polars as pl

    names = [f"key{number}" for number in range(len(own))]
    texts = [pl.col(column(at)).alias(f"text{number}") for number, at in enumerate(own)]
    local = frame.select(
        ROW,
        *(canonical(columns.rules[at], column(at)).alias(name) for at, name in zip(own, names, strict=True)),
        *texts,
    ).filter(~pl.all_horizontal(pl.col(name).is_null() for name in names))
    known = frame.select(
        canonical(columns.rules[at], column(at)).alias(name) for at, name in zip(other, names, strict=True)
    ).unique()
    missed = local.join(known, on=names, how="anti", nulls_equal=True).drop(names).sort(ROW)
    fields = ", ".join(columns.names[at] for at in own)
    target = ", ".join(columns.names[at] for at in other)
    for row, values in rows_of(missed):
        words = f"is {_listed(values)}, which stands nowhere in {target}"
        tell(row, "foreign-key", fields, ", ".join(text or "" for text in values), "foreignKeys", words)


def rows_of(frame: "pl.LazyFrame") -> Iterator[tuple[int, tuple[str | None, ...]]]:
    """Give the rows of a frame, in order: the number in its first column, and the texts of the others."""
    for batch in frame.collect_batches(engine="streaming", maintain_order=True):
        for row, *texts in batch.iter_rows():
            yield row, tuple(texts)


def _listed(texts: tuple[str | None, ...]) -> str:
    return ", ".join(shown(text or "") for text in texts)
