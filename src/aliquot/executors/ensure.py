"""Holding the files of an attempt against the rules of its step, where the bytes are."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aliquot.executors.attempt import Attempt, AttemptFailed, Verdict
from aliquot.executors.captured import CapturedLog
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid, Unavailable
from aliquot.model.finding import Finding, Severity
from aliquot.model.task import Cause, TaskDocument, TaskFile

if TYPE_CHECKING:
    from aliquot.model.ensure import Ensure
    from aliquot.model.row_rule import RowRule
    from aliquot.model.table_schema import TableSchema

_SHOWN = 15
"""How many findings the log has; the tail that is shown with a failure holds them all."""


@dataclass(frozen=True, slots=True)
class Given:
    """A file that a task gives: its path with a leading `/`, digest, size, and place below the working directory."""

    path: str
    digest: Digest
    size: int
    place: str


@dataclass(slots=True)
class _Findings:
    """What does not keep the rules: the first findings, and how many there are."""

    shown: list[Finding]
    count: int = 0

    def add(self, findings: Sequence[Finding], count: int) -> None:
        self.shown += findings[: max(0, _SHOWN - len(self.shown))]
        self.count += count


def reads_tables(document: TaskDocument) -> bool:
    """Say whether a rule looks into files, and not only at their paths, sizes and digests."""
    return any("schema" in rule for rule in document.ensure)


def passed_on(files: Sequence[TaskFile]) -> list[Given]:
    """List the files of a task that runs nothing, under the paths that they have in its input."""
    return [
        Given(f"/{file.path.split('/', 2)[2]}", file.blob.digest, file.blob.size, file.path)
        for file in files
        if file.path.startswith("in/")
    ]


def judge(attempt: Attempt, files: Sequence[Given], folder: str, log: CapturedLog) -> Verdict | None:
    """Say that files do not keep the rules of a task; `log` is told the first findings.

    `AttemptFailed` when the rules cannot be checked, or the attempt was ended meanwhile.
    """
    from aliquot.model.ensure import rule_from

    found = _Findings([])
    try:
        for document in attempt.document.ensure:
            _check(attempt, rule_from(document), files, folder, found)
    except Unavailable as error:
        raise AttemptFailed(Cause.REFUSED, f"'ensure' cannot be checked here: {error.message}") from error
    except Invalid as error:
        raise AttemptFailed(Cause.USER, f"'ensure' cannot be checked: {error.message}") from error
    if not found.count:
        return None
    lines = [_line(finding) for finding in found.shown]
    more = "" if found.count == 1 else f" (the first of {found.count:,} findings)"
    if found.count > len(lines):
        lines.append(f"and {found.count - len(lines):,} more")
    os.write(log.handle, "".join(f"ensure: {line}\n" for line in lines).encode(errors="backslashreplace"))
    return Verdict(Cause.USER, f"'ensure' is not kept: {lines[0]}{more}")


def _check(attempt: Attempt, rule: "Ensure", files: Sequence[Given], folder: str, found: _Findings) -> None:
    from aliquot.model.glob import compile_glob

    glob = compile_glob(rule.glob)
    matching = [file for file in files if glob.datum_of(file.path) is not None]
    plain = [*_of_count(rule, len(matching)), *(each for file in matching for each in _of_file(rule, file))]
    found.add(plain, len(plain))
    if rule.schema_ is None:
        return
    for file in matching:
        attempt.check()
        found.add(*_of_table(rule.schema_, rule.rules, file, folder))


def _of_count(rule: "Ensure", count: int) -> Iterator[Finding]:
    least = 1 if rule.count is None else rule.count.min
    most = None if rule.count is None else rule.count.max
    if count >= least and (most is None or count <= most):
        return
    there = "no file matches" if count == 0 else "1 file matches" if count == 1 else f"{count:,} files match"
    if least == most:
        wanted = "none is expected" if most == 0 else f"{least:,} {'is' if least == 1 else 'are'} expected"
    elif count < least:
        wanted = f"at least {least:,} {'is' if least == 1 else 'are'} expected"
    else:
        wanted = f"at most {most:,} {'is' if most == 1 else 'are'} expected"
    yield Finding("count-outside", f"{there} {rule.glob}, but {wanted}.", rule="count")


def _of_file(rule: "Ensure", file: Given) -> Iterator[Finding]:
    if rule.non_empty and file.size == 0:
        yield Finding("file-empty", "The file is empty.", file=file.place, rule="non_empty")
    bounds = rule.size
    if bounds is not None and bounds.min is not None and file.size < bounds.min:
        words = f"The file has {_bytes(file.size)}; it needs {bounds.min:,} at least."
        yield Finding("size-outside", words, file=file.place, rule="size")
    if bounds is not None and bounds.max is not None and file.size > bounds.max:
        words = f"The file has {_bytes(file.size)}; it may have {bounds.max:,} at most."
        yield Finding("size-outside", words, file=file.place, rule="size")
    if rule.digest is not None and file.digest != rule.digest:
        words = f"The content has the digest {file.digest}, but {rule.digest} is expected."
        yield Finding("digest-differs", words, file=file.place, rule="digest")


def _of_table(schema: "TableSchema", rules: "Sequence[RowRule]", file: Given, folder: str) -> tuple[list[Finding], int]:
    """Give the first faults of a table, and how many it has."""
    # polars comes with it, and takes half a second: only where a rule asks for it.
    from aliquot.formats.table import check_table

    report = check_table(Path(f"{folder}/{file.place}"), schema, rules)
    errors = [each for each in report.findings if each.severity is Severity.ERROR]
    warnings = len(report.findings) - len(errors)
    return [replace(each, file=file.place) for each in errors], sum(report.counts.values()) - warnings


def _line(finding: Finding) -> str:
    return f"{finding.file}: {finding.text}" if finding.file else finding.text


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size:,} bytes"
