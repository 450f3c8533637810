"""Findings as a check collects them: all counted, the first of each code kept."""

from collections import Counter
from collections.abc import Mapping

from aliquot.model.errors import AliquotError
from aliquot.model.finding import Finding, Report, Severity

KEPT_PER_CODE = 20


class Collected:
    """The findings of one check. A file with a million faults of one kind must not make a million findings."""

    def __init__(self, file: str | None = None) -> None:
        self._file = file
        self._kept: list[Finding] = []
        self._counts: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def error(self, code: str, text: str, *, file: str | None = None, row: int | None = None) -> None:
        """Note something that refuses the file; `row` is the line in the file, counted from 1."""
        self._add(Finding(code, text, file=file or self._file, row=row))

    def warning(self, code: str, text: str, *, file: str | None = None, row: int | None = None) -> None:
        """Note something that stays attached to the file without refusing it."""
        self._add(Finding(code, text, Severity.WARNING, file=file or self._file, row=row))

    def raised(self, error: AliquotError, *, file: str | None = None) -> None:
        """Note what ended the check."""
        self.error(error.code, error.message, file=file)

    def count(self, code: str) -> int:
        """Say how many findings of this code there are, kept or not."""
        return self._counts[code]

    def report(self, facts: dict[str, object] | None = None) -> Report:
        """Give the report: errors first, then warnings, each in the order in which they were met."""
        ordered = sorted(self._kept, key=lambda finding: finding.severity is not Severity.ERROR)
        return Report(tuple(ordered), dict(self._counts), facts or {})

    def _add(self, finding: Finding) -> None:
        self._counts[finding.code] += 1
        if self._counts[finding.code] <= KEPT_PER_CODE:
            self._kept.append(finding)


def together(reports: Mapping[str, Report]) -> Report:
    """Make one report of the reports on several files; the facts of more than one file are kept by file name."""
    if len(reports) == 1:
        return next(iter(reports.values()))
    counts: Counter[str] = Counter()
    for report in reports.values():
        counts.update(report.counts)
    findings = tuple(finding for report in reports.values() for finding in report.findings)
    return Report(findings, dict(counts), {name: report.facts for name, report in reports.items()})
