"""What checks see in data. Findings are not errors."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs: an error refuses the file, a warning stays attached to it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check saw.

    `code` is stable and machine-readable; `text` is a sentence that a technician understands. `row` is the
    line of a table as a person counts it in the file, header included (first line is 1).
    """

    code: str
    text: str
    severity: Severity = Severity.ERROR
    file: str | None = None
    row: int | None = None
    field: str | None = None
    value: str | None = None
    rule: str | None = None

    def document(self) -> dict[str, object]:
        """Give the finding as a JSON object, without the fields that say nothing."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def finding_from(document: dict[str, object]) -> Finding:
    """Read a finding back from its JSON object."""
    known = dict(document)
    known["severity"] = Severity(str(known.get("severity", "error")))
    return Finding(**known)  # pyright: ignore[reportArgumentType]  # written by document() above


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: the first findings, how many there are of each code, and facts about the content.

    `refused_rows` lists table rows (zero-based data rows, header not counted) that have at least one error; it
    is empty for formats without rows.
    """

    findings: tuple[Finding, ...] = ()
    counts: dict[str, int] = field(default_factory=dict[str, int])
    facts: dict[str, object] = field(default_factory=dict[str, object])
    refused_rows: tuple[int, ...] = ()

    @property
    def valid(self) -> bool:
        """Say whether nothing refuses the file."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)
