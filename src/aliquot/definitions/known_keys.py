"""Which keys may stand at a place of a definition, so that a wrong one can be answered with the right one."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from aliquot.definitions.problem import Path


def known_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Give the keys that may stand in the mapping at this path; none where any may."""
    places: list[Any] = [model]
    for part in path:
        places = [inner for place in places for inner in _inside(place, part)]
    return [key for place in places for key in _keys(place)]


def keys_of(model: type[BaseModel]) -> dict[str, Any]:
    """Give the keys of a model as they are written, and the type of each one's value."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _keys(place: Any) -> list[str]:
    return [key for model in _models(place) for key in keys_of(model)]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (list, dict):
        for each in get_args(annotation):
            yield from _models(each)


def _inside(annotation: Any, part: str | int) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if part in (keys := keys_of(annotation)):
            yield keys[str(part)]
        elif further := annotation.__annotations__.get("__pydantic_extra__"):
            yield get_args(further)[-1]
    elif get_origin(annotation) in (list, dict):
        yield get_args(annotation)[-1]
    else:
        for each in get_args(annotation):
            yield from _inside(each, part)
