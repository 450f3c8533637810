"""Frictionless Table Schema v2, as values.

Source: https://datapackage.org/standard/table-schema/
"""

from typing import Annotated, Any, Literal

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


class Constraints(Definition):
    """What the values of a field must meet."""

    required: bool = False
    unique: bool = False
    minimum: Any = None
    maximum: Any = None
    exclusive_minimum: Any = Setting(default=None, alias="exclusiveMinimum")
    exclusive_maximum: Any = Setting(default=None, alias="exclusiveMaximum")
    min_length: int | None = Setting(default=None, alias="minLength", ge=0)
    max_length: int | None = Setting(default=None, alias="maxLength", ge=0)
    pattern: str | None = None
    enum: list[Any] | None = None
    json_schema: dict[str, Any] | None = Setting(default=None, alias="jsonSchema")


class Field(Definition):
    """A column: its name, type, format and constraints."""

    name: str
    type: FieldType = "any"
    format: str | None = None
    title: str | None = None
    description: str | None = None
    example: Any = None
    rdf_type: str | None = Setting(default=None, alias="rdfType")
    unit: str | None = None
    missing_values: list[str] | None = Setting(default=None, alias="missingValues")
    constraints: Constraints = Constraints()
    categories: list[Any] | None = None
    categories_ordered: bool = Setting(default=False, alias="categoriesOrdered")
    true_values: list[str] = Setting(default=["true", "True", "TRUE", "1"], alias="trueValues")
    false_values: list[str] = Setting(default=["false", "False", "FALSE", "0"], alias="falseValues")
    decimal_char: str = Setting(".", alias="decimalChar")
    group_char: str | None = Setting(default=None, alias="groupChar")
    bare_number: bool = Setting(True, alias="bareNumber")
    delimiter: str = ","
    item_type: str | None = Setting(default=None, alias="itemType")


class ForeignKeyReference(Definition):
    """The columns that a foreign key points to; `resource` empty means the file itself."""

    resource: str = ""
    fields: FieldNames


class ForeignKey(Definition):
    """Columns whose values must be among those of other columns."""

    fields: FieldNames
    reference: ForeignKeyReference


class TableSchema(Definition):
    """The columns of a table and the keys over them."""

    fields: list[Field] = Setting(min_length=1)
    fields_match: Literal["exact", "equal", "subset", "superset", "partial"] = Setting("exact", alias="fieldsMatch")
    missing_values: list[str] = Setting(default=[""], alias="missingValues")
    primary_key: FieldNames = Setting(default=[], alias="primaryKey")
    unique_keys: list[list[str]] = Setting(default=[], alias="uniqueKeys")
    foreign_keys: list[ForeignKey] = Setting(default=[], alias="foreignKeys")
    schema_url: str | None = Setting(default=None, alias="$schema")

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
