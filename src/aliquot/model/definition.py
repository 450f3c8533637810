"""What the definitions that people write have in common."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

from aliquot.model.errors import Invalid
from aliquot.model.reference import NAME, require_name


class Definition(BaseModel):
    """A part of a definition: no unknown keys, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=False)


def also_written(other: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Say in the JSON Schema of a definition that it may be written in another, shorter form, too."""

    def extend(schema: dict[str, Any]) -> None:
        full = dict(schema)
        about = {key: full.pop(key) for key in ("title", "description") if key in full}
        schema.clear()
        schema.update(about | {"anyOf": [other, full]})

    return extend


def _name(value: str) -> str:
    try:
        return require_name("definition", value)
    except Invalid as error:
        raise ValueError(error.message) from None


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"})]
"""A name that can stand in a reference, a URL and a file name alike."""
