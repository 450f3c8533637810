"""The first row of a table against the fields of its schema."""

from dataclasses import dataclass

from aliquot.formats.table_rules import ColumnRules
from aliquot.model.finding import Finding
from aliquot.model.table_schema import Field, TableSchema

_ALLOWS_EXTRA = {"subset", "partial"}
_ALLOWS_MISSING = {"superset", "partial"}
_NO_FIELD = Field.model_validate({"name": "-", "type": "any"})


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file as they stand: labels, and the rules of each.

    `known` says for each column whether the schema has it; `findings` are about the header alone.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    rules: tuple[ColumnRules, ...]
    known: tuple[bool, ...]
    findings: tuple[Finding, ...]

    def place(self, field: str) -> int | None:
        """Give the place of a field's column, or `None` if the file lacks it."""
        return next((at for at, name in enumerate(self.names) if name == field and self.known[at]), None)


def match_header(labels: list[str], schema: TableSchema, *, looks_like_data: bool = False) -> Columns:
    """Match labels to fields as the schema's `fieldsMatch` says: by place for `exact`, by name for all else."""
    labels = [label.strip() for label in labels]
    exact = schema.fields_match == "exact"
    fields = _by_place(labels, schema) if exact else _by_name(labels, schema)
    findings = _mismatches(labels, fields, schema)
    if exact:
        findings += _misplaced(labels, schema, looks_like_data)
    else:
        findings += _doubled(labels, range(len(labels)))
    names = [field.name if field else label or f"column {at + 1}" for at, (field, label) in enumerate(zip(fields, labels, strict=True))]  # noqa: E501  # fmt: skip
    empty = TableSchema.model_validate({"fields": [_NO_FIELD]})
    return Columns(
        labels=tuple(labels),
        names=tuple(names),
        rules=tuple(ColumnRules(field or _NO_FIELD, schema if field else empty) for field in fields),
        known=tuple(field is not None for field in fields),
        findings=tuple(findings),
    )


def _by_place(labels: list[str], schema: TableSchema) -> list[Field | None]:
    return [schema.fields[at] if at < len(schema.fields) else None for at in range(len(labels))]


def _by_name(labels: list[str], schema: TableSchema) -> list[Field | None]:
    known = {field.name: field for field in schema.fields}
    return [known.get(label) if label not in labels[:at] else None for at, label in enumerate(labels)]


def _mismatches(labels: list[str], fields: list[Field | None], schema: TableSchema) -> list[Finding]:
    found: list[Finding] = []
    if schema.fields_match not in _ALLOWS_EXTRA:
        found += [
            _finding("extra-label", f"the column {label!r} is not expected. Remove it, or add it to the schema.", label)
            for at, (label, field) in enumerate(zip(labels, fields, strict=True))
            if field is None and (schema.fields_match == "exact" or label not in labels[:at])
        ]  # fmt: skip
    if schema.fields_match == "partial" and not any(fields):
        found.append(_finding("unmatched-header", "none of the columns is known to the schema."))
    there = {field.name for field in fields if field is not None}
    for field in schema.fields:
        needed = field.constraints.required or field.name in schema.primary_key
        if field.name not in there and (needed or schema.fields_match not in _ALLOWS_MISSING):
            found.append(_finding("missing-label", f"the column {field.name!r} is missing.", field.name))
    return found


def _misplaced(labels: list[str], schema: TableSchema, looks_like_data: bool) -> list[Finding]:
    found: list[Finding] = []
    hint = " The first row looks like data: is the header missing?" if looks_like_data else ""
    for at, (label, field) in enumerate(zip(labels, schema.fields, strict=False)):
        if not label:
            text = f"column {at + 1} has no label, but should be {field.name!r}."
            found.append(_finding("blank-label", text, field.name))
        elif label in labels[:at]:
            found += _doubled(labels, [at])
        elif label != field.name:
            where = " (a column of that name stands elsewhere; the order matters)" if field.name in labels else ""
            text = f"column {at + 1} is {label!r}, but should be {field.name!r}{where}.{hint}"
            found.append(_finding("incorrect-label", text, field.name, label))
    return found


def _doubled(labels: list[str], places: "range | list[int]") -> list[Finding]:
    return [
        _finding("duplicate-label", f"the column {labels[at]!r} stands there twice.", labels[at])
        for at in places
        if labels[at] and labels[at] in labels[:at]
    ]


def _finding(code: str, text: str, field: str | None = None, value: str | None = None) -> Finding:
    return Finding(code=code, text=f"Header: {text}", row=1, field=field, value=value)
