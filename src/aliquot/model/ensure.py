"""What a step's files must be: rules that are checked beside the command, before anybody sees the files."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, WithJsonSchema, model_validator
from pydantic import Field as Setting

from aliquot.model.definition import Definition, Name, also_written
from aliquot.model.digest import parse_digest
from aliquot.model.errors import Invalid
from aliquot.model.quantity import Bytes
from aliquot.model.row_rule import RowRule
from aliquot.model.table_schema import TableSchema


def _digest(text: str) -> str:
    try:
        return parse_digest(text)
    except Invalid as error:
        raise ValueError(error.message.removesuffix(".")) from None


DigestText = Annotated[
    str, AfterValidator(_digest), WithJsonSchema({"type": "string", "pattern": "^blake3:[0-9a-f]{64}$"})
]
"""A digest as people copy it."""


class Sizes(Definition):
    """How large each file may be."""

    min: Bytes | None = None
    """The least size, such as 1KiB."""
    max: Bytes | None = None
    """The greatest size, such as 2GiB."""

    @model_validator(mode="after")
    def _can_be_met(self) -> "Sizes":
        if self.min is None and self.max is None:
            raise ValueError("give 'min', 'max' or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("'max' is less than 'min', so no file can meet both")
        return self


class Count(Definition):
    """How many files there may be; a bare number asks for exactly so many."""

    model_config = ConfigDict(json_schema_extra=also_written({"type": "integer", "minimum": 0}))

    min: int = Setting(default=1, ge=0)
    """The least number."""
    max: int | None = Setting(default=None, ge=0)
    """The greatest number; without it, any."""

    @model_validator(mode="before")
    @classmethod
    def _exactly(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | dict | Count):
            raise ValueError("write how many files there may be, like 96 or {min: 1, max: 96}")  # noqa: TRY004  # pydantic reads ValueError
        return {"min": value, "max": value} if isinstance(value, int) else value  # pyright: ignore[reportUnknownVariableType]

    @model_validator(mode="after")
    def _can_be_met(self) -> "Count":
        if self.max is not None and self.min > self.max:
            least = str(self.min) if "min" in self.model_fields_set else "1 where it is not written"
            raise ValueError(f"'max' is less than 'min' ({least}), so no number of files can meet both")
        return self


class Ensure(Definition):
    """What files must be; all that is said must hold. Without `count`, at least one file must match the glob."""

    glob: str = "/**"
    """Which files: those that match, and those in folders that match."""
    non_empty: bool = False
    """No file may be empty."""
    size: Sizes | None = None
    """How large each file may be."""
    count: Count | None = None
    """How many files there may be; `min: 0` allows none."""
    digest: DigestText | None = None
    """What the content of each file must be, as `blake3:…`."""
    type: Name | None = None
    """A file type whose Table Schema each file must meet."""
    schema_: TableSchema | None = Setting(default=None, alias="schema")
    """The Table Schema that each file must meet, when no file type gives it: Frictionless Table Schema v2."""
    rules: list[RowRule] = Setting(default=[])
    """Rules across the columns of `schema`; a file type brings its own."""

    @model_validator(mode="after")
    def _has_columns(self) -> "Ensure":
        if self.rules and self.schema_ is None:
            raise ValueError("'rules' needs columns to compare: give 'schema'; a file type brings its own rules")
        return self


def rule_document(rule: Ensure, table: TableSchema | None, rules: Sequence[RowRule] = ()) -> dict[str, Any]:
    """Write a rule as task documents and keys hold it: `table` and `rules` are of the file type that it names."""
    document = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    document["glob"] = rule.glob
    if table is not None:
        document["schema"] = table.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if rules:
        document["rules"] = [each.model_dump(mode="json", exclude_defaults=True) for each in rules]
    return document


def rule_from(document: Mapping[str, Any]) -> Ensure:
    """Read back what `rule_document` wrote."""
    return Ensure.model_validate(document)
