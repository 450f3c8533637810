"""Frictionless Table Schema v2, as values.

Source: https://datapackage.org/standard/table-schema/
"""

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, WithJsonSchema, model_validator
from pydantic import Field as Setting

from aliquot.model.definition import Definition

FieldType = Literal[
    "any", "array", "boolean", "date", "datetime", "duration", "geojson", "geopoint", "integer", "list", "number",
    "object", "string", "time", "year", "yearmonth",
]  # fmt: skip


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


FieldNames = Annotated[
    list[str],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""Names of fields; one name may stand by itself."""


def _without_labels(value: Any) -> Any:
    """Keep the values of `{value, label}`, as v2 allows to say why something is missing."""
    if not isinstance(value, list):
        return value
    return [
        each["value"] if isinstance(each, dict) and set(each) <= {"value", "label"} and "value" in each else each
        for each in cast("list[Any]", value)
    ]


MissingValues = Annotated[
    list[str],
    BeforeValidator(_without_labels),
    WithJsonSchema({
        "type": "array",
        "items": {"anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"value": {"type": "string"}, "label": {"type": "string"}},
                "required": ["value"],
                "additionalProperties": False,
            },
        ]},
    }),
]  # fmt: skip
"""Texts that stand for no value, with or without labels."""


class Constraints(Definition):
    """What the values of a field must meet."""

    required: bool = False
    """The field must not be empty."""
    unique: bool = False
    """No value may stand in the column twice."""
    minimum: Any = None
    """The least value, as the field itself would be written."""
    maximum: Any = None
    """The greatest value."""
    exclusive_minimum: Any = Setting(default=None, alias="exclusiveMinimum")
    """What every value must be greater than."""
    exclusive_maximum: Any = Setting(default=None, alias="exclusiveMaximum")
    """What every value must be less than."""
    min_length: int | None = Setting(default=None, alias="minLength", ge=0)
    """The least number of characters, or of members of a list, array or object."""
    max_length: int | None = Setting(default=None, alias="maxLength", ge=0)
    """The greatest number of characters, or of members of a list, array or object."""
    pattern: str | None = None
    """A regular expression that the whole text must match."""
    enum: list[Any] | None = None
    """The only values that there may be."""
    json_schema: dict[str, Any] | None = Setting(default=None, alias="jsonSchema")
    """JSON Schema of an object or array."""


class Field(Definition):
    """A column: its name, type, format and constraints."""

    name: str
    """The column's name, as the header has it."""
    type: FieldType = "any"
    """What kind of values it holds."""
    format: str | None = None
    """How the values are written, such as `%d.%m.%Y` for a date or `email` for a string."""
    title: str | None = None
    """What people call it."""
    description: str | None = None
    """What it means."""
    example: Any = None
    """A value that shows what is meant."""
    rdf_type: str | None = Setting(default=None, alias="rdfType")
    """The URI of the kind of thing that it describes."""
    unit: str | None = None
    """The unit of its values."""
    missing_values: MissingValues | None = Setting(default=None, alias="missingValues")
    """Texts that stand for no value here, in place of the table's."""
    constraints: Constraints = Constraints()
    """What its values must meet."""
    categories: list[Any] | None = None
    """The only values that there may be, with or without labels."""
    categories_ordered: bool = Setting(default=False, alias="categoriesOrdered")
    """Whether the order of the categories means something."""
    true_values: list[str] = Setting(default=["true", "True", "TRUE", "1"], alias="trueValues")
    """Texts that mean true."""
    false_values: list[str] = Setting(default=["false", "False", "FALSE", "0"], alias="falseValues")
    """Texts that mean false."""
    decimal_char: str = Setting(".", alias="decimalChar")
    """The character before decimals."""
    group_char: str | None = Setting(default=None, alias="groupChar")
    """The character between groups of digits."""
    bare_number: bool = Setting(True, alias="bareNumber")
    """Whether a number stands alone; `false` allows signs such as `%` or `EUR` around it."""
    delimiter: str = ","
    """The character between the members of a list."""
    item_type: str | None = Setting(default=None, alias="itemType")
    """The type of the members of a list."""


class ForeignKeyReference(Definition):
    """The columns that a foreign key points to; `resource` empty means the file itself."""

    resource: str = ""
    """The dataset whose newest version has the table that is pointed to; empty is the file itself."""
    fields: FieldNames
    """Its columns."""


class ForeignKey(Definition):
    """Columns whose values must be among those of other columns."""

    fields: FieldNames
    """The columns whose values must be there."""
    reference: ForeignKeyReference
    """Where they must be."""


class TableSchema(Definition):
    """The columns of a table and the keys over them."""

    fields: list[Field] = Setting(min_length=1)
    """The columns."""
    fields_match: Literal["exact", "equal", "subset", "superset", "partial"] = Setting("exact", alias="fieldsMatch")
    """`exact`: these columns in this order; `equal`: in any order; `subset`: these and maybe others; `superset`: only
    these, maybe not all; `partial`: at least one of these."""
    missing_values: MissingValues = Setting(default=[""], alias="missingValues")
    """Texts that stand for no value."""
    primary_key: FieldNames = Setting(default=[], alias="primaryKey")
    """Columns that together name a row: never empty, never twice the same."""
    unique_keys: list[list[str]] = Setting(default=[], alias="uniqueKeys")
    """Columns that together must not be twice the same."""
    foreign_keys: list[ForeignKey] = Setting(default=[], alias="foreignKeys")
    """Columns whose values must be among those of other columns."""
    schema_url: str | None = Setting(default=None, alias="$schema")
    """The version of Table Schema; kept and not read."""

    @model_validator(mode="after")
    def _keys_name_fields(self) -> "TableSchema":
        names = [field.name for field in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the field {twice[0]!r} is listed twice")
        keys = [*self.primary_key, *(name for key in self.unique_keys for name in key)]
        keys += [name for key in self.foreign_keys for name in key.fields]
        for name in keys:
            if name not in names:
                raise ValueError(f"a key names the field {name!r}, which is not among the fields")
        return self
