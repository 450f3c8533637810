"""What the definitions that people write have in common."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from aliquot.model.errors import Invalid
from aliquot.model.reference import require_name


class Definition(BaseModel):
    """A part of a definition: no unknown keys, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=False)


def _name(value: str) -> str:
    try:
        return require_name("definition", value)
    except Invalid as error:
        raise ValueError(error.message) from None


Name = Annotated[str, AfterValidator(_name)]
"""A name that can stand in a reference, a URL and a file name alike."""
