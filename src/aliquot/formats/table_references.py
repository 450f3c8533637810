"""Tables elsewhere that a foreign key points to: their keys, read once and kept on disk."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from aliquot.formats.dialect import detect
from aliquot.formats.other_document import other_document
from aliquot.formats.table_keys import canonical, rows_of
from aliquot.formats.table_rows import read_rows
from aliquot.formats.table_rules import ColumnRules, shown
from aliquot.formats.table_source import ROW, column, open_source
from aliquot.formats.table_survey import survey
from aliquot.model.errors import Missing
from aliquot.model.finding import Finding

if TYPE_CHECKING:
    import polars as pl

    from aliquot.formats.table_header import Columns
    from aliquot.formats.table_keys import Tell
    from aliquot.model.table_schema import ForeignKey, TableSchema

_TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".txt")


class ReferencedTable:
    """The tables of one version of a dataset.

    `label` names it, such as `patients@3`. `files` gives each of its files by path, with what makes it a local copy for
    a while. Keys are written below `folder`, which has to outlive this; memory takes one batch of rows.
    """

    def __init__(
        self, label: str, files: Callable[[], Iterator[tuple[str, AbstractContextManager[Path]]]], folder: Path
    ) -> None:
        self.label = label
        self._files = files
        self._folder = folder
        self._begun = 0
        self._read: dict[tuple[object, ...], list[Path]] = {}

    def keys(self, names: Sequence[str], rules: Sequence[ColumnRules]) -> "pl.LazyFrame | None":
        """Give the values of columns in the spelling of `canonical`, as `key0`, `key1`…, or None: no table has all."""
        import polars as pl

        asked = (*names, *(each.field.model_dump_json() for each in rules), *(each.missing for each in rules))
        if asked not in self._read:
            self._read[asked] = list(self._gather(names, rules))
        parts = self._read[asked]
        return pl.scan_parquet(parts, glob=False) if parts else None

    def _gather(self, names: Sequence[str], rules: Sequence[ColumnRules]) -> Iterator[Path]:
        self._begun += 1
        folder = self._folder / f"keys{self._begun}"
        folder.mkdir(parents=True)
        for number, (path, opened) in enumerate(self._files()):
            if not path.lower().endswith(_TABLE_ENDINGS):
                continue
            target = folder / f"{number}.parquet"
            with opened as local:
                if _write_keys(local, names, rules, target):
                    yield target


def find_elsewhere(
    frame: "pl.LazyFrame",
    columns: "Columns",
    schema: "TableSchema",
    references: Mapping[str, ReferencedTable],
    tell: "Tell",
) -> list[Finding]:
    """Tell the rows whose foreign keys name values that stand nowhere in the tables of `references`.

    What is given back are findings about the file as a whole: a table that is pointed to is not there.
    """
    found: list[Finding] = []
    for foreign in schema.foreign_keys:
        places = [columns.place(name) for name in foreign.fields]
        if not foreign.reference.resource or None in places:
            continue
        at = [place for place in places if place is not None]
        if missing := _find_strangers(frame, columns, foreign, at, references.get(foreign.reference.resource), tell):
            found.append(Finding("reference-missing", missing, field=", ".join(foreign.fields), rule="foreignKeys"))
    return found


def _find_strangers(
    frame: "pl.LazyFrame",
    columns: "Columns",
    foreign: "ForeignKey",
    own: Sequence[int],
    table: ReferencedTable | None,
    tell: "Tell",
) -> str | None:
    """Tell the rows that point nowhere, or give a sentence about why nobody can know."""
    import polars as pl

    resource, wanted = foreign.reference.resource, foreign.reference.fields
    target = ", ".join(wanted)
    if table is None:
        return (
            f"The column {', '.join(foreign.fields)} has to be looked up in {target} of the dataset {resource}, which "
            f"has nothing in it yet. Take in the files of {resource} first; then resubmit this one."
        )
    try:
        there = table.keys(wanted, [columns.rules[at] for at in own])
    except Missing as error:
        return f"The tables in {table.label} cannot be read: {error.message}"
    if there is None:
        return f"None of the tables in {table.label} has the column {target}, in which this file is to be looked up."
    names = [f"key{number}" for number in range(len(own))]
    keys = [canonical(columns.rules[at], column(at)).alias(name) for at, name in zip(own, names, strict=True)]
    texts = [pl.col(column(at)).alias(f"text{number}") for number, at in enumerate(own)]
    here = frame.select(ROW, *keys, *texts).filter(~pl.all_horizontal(pl.col(name).is_null() for name in names))
    # Memory holds each key of this file once, however large the other table is.
    asked = here.select(names).unique().collect(engine="streaming")
    met = there.join(asked.lazy(), on=names, how="semi", nulls_equal=True).unique().collect(engine="streaming")
    strange = asked.join(met, on=names, how="anti", nulls_equal=True)
    if strange.is_empty():
        return None
    missed = here.join(strange.lazy(), on=names, how="semi", nulls_equal=True).drop(names).sort(ROW)
    fields = ", ".join(columns.names[at] for at in own)
    for row, values in rows_of(missed):
        words = (
            f"is {', '.join(shown(text or '') for text in values)}, which stands nowhere in {target} of {table.label}"
        )
        tell(row, "foreign-key", fields, ", ".join(text or "" for text in values), "foreignKeys", words)
    return None


def _write_keys(path: Path, names: Sequence[str], rules: Sequence[ColumnRules], target: Path) -> bool:
    """Write a table's columns to a file, and say whether it has them."""
    if path.stat().st_size == 0 or other_document(path):
        return False
    dialect = detect(path)
    first = next(read_rows(path, dialect), None)
    labels = [] if first is None else [label.strip() for label in first.cells]
    if not set(names) <= set(labels):
        return False
    keys = [canonical(each, column(labels.index(name))) for name, each in zip(names, rules, strict=True)]
    with open_source(path, survey(path, dialect, len(labels)), len(labels)) as source:
        source.frame.select(key.alias(f"key{number}") for number, key in enumerate(keys)).sink_parquet(target)
    return True
