"""Delimited text tables against a Table Schema: millions of rows a second, and a sentence for each bad cell."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from aliquot.formats.dialect import detect
from aliquot.formats.other_document import other_document
from aliquot.formats.table_header import Columns, match_header
from aliquot.formats.table_judge import Judge
from aliquot.formats.table_keys import find_doubles, find_strangers, key_hash, unique_keys
from aliquot.formats.table_polars import require_polars
from aliquot.formats.table_references import ReferencedTable, find_elsewhere
from aliquot.formats.table_row_rules import RowCheck
from aliquot.formats.table_rows import read_rows
from aliquot.formats.table_source import Source, open_source
from aliquot.formats.table_survey import Survey, survey
from aliquot.model.errors import Invalid
from aliquot.model.finding import Finding, Report, Severity
from aliquot.model.row_rule import RowRule
from aliquot.model.table_schema import TableSchema


class TableFormat:
    """Delimited text: CSV, TSV and their relatives."""

    name = "table"

    def check(self, files: Mapping[str, Path], options: Mapping[str, object]) -> Report:
        """Check each file against `options["table"]`, a `TableSchema`; without one there is nothing to check.

        `options["rules"]` are row rules; `options["references"]` are tables by the name of their dataset.
        A set of several files gives one report with all findings; row numbers of refused rows are given for one only.
        """
        schema = options.get("table")
        if schema is None:
            return Report()
        if not isinstance(schema, TableSchema):
            raise Invalid("no-table-schema", "the option 'table' has to be a Table Schema")
        rules = cast("Sequence[RowRule]", options.get("rules") or ())
        references = cast("Mapping[str, ReferencedTable] | None", options.get("references"))
        findings: list[Finding] = []
        counts: Counter[str] = Counter()
        facts: dict[str, object] = {}
        refused: tuple[int, ...] = ()
        for name, path in files.items():
            report = check_table(path, schema, rules, references=references)
            findings += [replace(finding, file=name) for finding in report.findings]
            counts.update(report.counts)
            facts = report.facts if len(files) == 1 else facts | {name: report.facts}
            refused = report.refused_rows if len(files) == 1 else ()
        return Report(tuple(findings), dict(counts), facts, refused)


def check_table(
    path: Path,
    schema: TableSchema,
    rules: Sequence[RowRule] = (),
    *,
    references: Mapping[str, ReferencedTable] | None = None,
    most: int = 100,
) -> Report:
    """Check a delimited text file against a schema and row rules; whatever is in the file, the answer is a report.

    Foreign keys into other datasets are followed where `references` is given, which has their tables by name.

    At most `most` findings are kept, the first ones by row; `counts` has all of them. Memory does not grow with the
    file, but for sixteen bytes a row for each unique key, and what the numbers of the refused rows take. `Invalid`
    for a schema that contradicts itself, `Unavailable` without polars.
    """
    require_polars()
    if path.stat().st_size == 0:
        return _refused(Finding("source-error", "The file is empty: it has not even a header."))
    if other := other_document(path):
        return _refused(Finding("format-error", f"{other[0].upper()}{other[1:]}."))
    dialect = detect(path)
    first = next(read_rows(path, dialect), None)
    if first is None or not any(cell.strip() for cell in first.cells):
        return _refused(Finding("blank-header", "Row 1 is blank, but should hold the names of the columns.", row=1))
    seen = survey(path, dialect, len(first.cells))
    columns = match_header(first.cells, schema, looks_like_data=not dialect.header)
    checks = [RowCheck(rule, columns, schema) for rule in rules]
    with open_source(path, seen, len(first.cells)) as source:
        judge = Judge(columns, schema, source, seen, most, checks)
        rows = _check(source, columns, schema, judge)
        whole = _whole_file(seen)
        if references is not None:
            whole += find_elsewhere(source.frame, columns, schema, references, judge.tell)
    return _report(judge, seen, columns, rows, whole, most)


def _check(source: Source, columns: Columns, schema: TableSchema, judge: Judge) -> int:
    """Let the judge see everything, and give the number of rows."""
    import polars as pl

    keys = unique_keys(columns, schema)
    hashes: list[list[pl.Series]] = [[] for _ in keys]
    hashed = [key_hash(columns, key).alias(f"hash{number}") for number, key in enumerate(keys)]
    rows = 0
    frame = judge.sifted(source.frame).with_columns(hashed)
    for batch in frame.collect_batches(engine="streaming", maintain_order=True):
        rows += batch.height
        for number, kept in enumerate(hashes):
            kept.append(batch[f"hash{number}"])
        judge.see(batch)
    for key, kept in zip(keys, hashes, strict=True):
        if kept:
            find_doubles(source.frame, columns, key, pl.concat(kept), judge.tell)
    find_strangers(source.frame, columns, schema, judge.tell)
    return rows


def _report(judge: Judge, seen: Survey, columns: Columns, rows: int, whole: Sequence[Finding], most: int) -> Report:
    findings = [*columns.findings, *judge.findings(rows)]
    counts = Counter(finding.code for finding in columns.findings) + judge.counts
    errors = [finding for finding in whole if finding.severity is Severity.ERROR]
    warnings = [finding for finding in whole if finding.severity is Severity.WARNING]
    counts.update(finding.code for finding in whole)
    facts: dict[str, object] = {
        "rows": judge.rows(),
        "columns": list(columns.labels),
        "encoding": seen.dialect.encoding,
        "dialect": seen.dialect.document(),
    }
    kept = [*errors, *findings][: max(most, 1)]
    return Report((*kept, *warnings), dict(counts), facts, judge.refused_rows())


def _whole_file(seen: Survey) -> list[Finding]:
    found: list[Finding] = []
    if seen.broken and seen.dialect.wide:
        text = "The file is damaged: some of its UTF-16 characters cannot be read. Export it again."
        found.append(Finding("encoding-error", text))
    if seen.guessed:
        text = (
            f"The file is not UTF-8 and was read as {_ENCODINGS[seen.dialect.encoding]}. If letters look wrong, save "
            "it as UTF-8."
        )
        found.append(Finding("encoding-error", text, severity=Severity.WARNING, rule=seen.dialect.encoding))
    return found


_ENCODINGS = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}


def _refused(finding: Finding) -> Report:
    return Report((finding,), {finding.code: 1}, {"rows": 0, "columns": []})
