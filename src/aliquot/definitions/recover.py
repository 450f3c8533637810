"""A document with mistakes, read as far as possible: so that what refers to what is checked in the same pass."""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aliquot.definitions.located import located
from aliquot.definitions.problem import Path
from aliquot.model.definition import Definition
from aliquot.model.pipeline import NO_COMMAND

M = TypeVar("M", bound=Definition)

_WITHOUT_REFERENCES = frozenset(
    {
        "after", "description", "describes", "ensure", "executor", "failures", "image", "mode", "network", "on_invalid",
        "resources", "retry", "settled", "title",
    }
)  # fmt: skip
"""Keys whose values nothing else refers to: the rest of a file can be checked without them."""

_NAMES = frozenset({"exports", "inputs", "outputs", "parameters", "sources", "steps", "tables", "vaults"})


def read(value: Any, model: type[M]) -> M:
    """Give the model of a JSON value: kinds are not converted, and keys are those that people write."""
    return model.model_validate(value, strict=True, by_alias=True, by_name=False)


def recover(value: Any, errors: list[ErrorDetails], model: type[M]) -> M | None:
    """Give the model without what is wrong, where nothing else depends on that; else None."""
    edited = value
    for error in errors:
        path, _ = located(value, error)
        alone = _without_references(path)
        if alone is not None:
            edited = _removed(edited, alone)
        elif error["type"] == "extra_forbidden":
            edited = _removed(edited, path)
        elif error["type"] == "string_type" and isinstance(error["input"], int | float):
            edited = put(edited, path, str(error["input"]))
        elif error["type"] == "value_error" and NO_COMMAND in error["msg"]:
            edited = put(edited, (*path, "command"), "-")
        else:
            return None
    try:
        return read(edited, model)
    except ValidationError:
        return None


def _without_references(path: Path) -> Path | None:
    for at, part in enumerate(path):
        # Below `steps` and its like stand names that people chose, which may be any word.
        if part in _WITHOUT_REFERENCES and (at == 0 or path[at - 1] not in _NAMES):
            return path[: at + 1]
    return None


def put(value: Any, path: Path, new: Any) -> Any:
    """Give a copy of a JSON value with another value at this path."""
    copy: Any = value.copy()
    copy[path[0]] = put(value[path[0]], path[1:], new) if path[1:] else new
    return copy


def _removed(value: Any, path: Path) -> Any:
    """Give a copy of a JSON value without what is at this path, which may be gone already."""
    if isinstance(value, dict) and path[0] not in value:
        return value  # pyright: ignore[reportUnknownVariableType]  # JSON
    copy: Any = value.copy()
    if path[1:]:
        copy[path[0]] = _removed(copy[path[0]], path[1:])
    else:
        del copy[path[0]]
    return copy
