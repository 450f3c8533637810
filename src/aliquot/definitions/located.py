"""Where in a document the errors of a model lie, and which of them belong together."""

from collections import defaultdict
from typing import Any, cast

from pydantic_core import ErrorDetails

from aliquot.definitions.problem import Path

KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "literal_error": "one of a few words",
}
"""Errors about the kind of a value, and the kind that was expected, in words."""


def located(value: Any, error: ErrorDetails) -> tuple[Path, Path | None]:
    """Give the path in the document that an error means, and that of the union on whose branch it lies, if any."""
    path: list[str | int] = []
    union: Path | None = None
    for part in error["loc"][:-1] if error["type"] == "missing" else error["loc"]:
        inside = cast("dict[Any, Any]", value) if isinstance(value, dict) else {}
        if part in inside:
            value = inside[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[part]
        else:
            if union is None and part != "[key]":
                union = tuple(path)
            continue
        path.append(part)
    return tuple(path), union


def by_place(value: Any, errors: list[ErrorDetails]) -> list[list[ErrorDetails]]:
    """Put together the errors of a union's branches that lie at one place; every other error stands alone.

    A branch that got past the kind of the value knows better what is wrong than one that wants another kind: if there
    is such a branch, the errors of the others are left out.
    """
    unions: dict[tuple[object, ...], list[ErrorDetails]] = defaultdict(list)
    for at, error in enumerate(errors):
        _, union = located(value, error)
        unions[(at,) if union is None else ("union", *union)].append(error)
    groups: list[list[ErrorDetails]] = []
    for several in unions.values():
        closer = [each for each in several if not _wants_another_kind(value, each)]
        places: dict[Path, list[ErrorDetails]] = defaultdict(list)
        for each in closer or several:
            places[located(value, each)[0]].append(each)
        groups += places.values()
    return groups


def _wants_another_kind(value: Any, error: ErrorDetails) -> bool:
    path, union = located(value, error)
    return path == union and error["type"] in KINDS
