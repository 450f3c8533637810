"""A document against its model: every mistake at its place, in plain words."""

from collections import defaultdict
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aliquot.definitions.known_keys import known_keys
from aliquot.definitions.problem import Path, Problem, instead, nearest
from aliquot.definitions.yaml_text import Document, describe
from aliquot.model.definition import Definition

M = TypeVar("M", bound=Definition)

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "is_instance_of": "another value",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_WITHOUT_REFERENCES = frozenset({"title", "description", "resources", "retry", "failures", "image", "network"})
"""Keys whose values nothing else refers to: the rest of a file can be checked without them."""


def validate(document: Document, model: type[M]) -> tuple[M | None, list[Problem]]:
    """Give the model, and all mistakes.

    With mistakes that nothing else depends on, such as unknown keys, the model is given all the same, without them, so
    that what refers to what can be checked in the same pass.
    """
    try:
        return _read(document.value, model), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    problems = [each for group in _by_union(document.value, errors) for each in _problems(document, model, group)]
    return _without(document.value, errors, model), problems


def _read(value: Any, model: type[M]) -> M:
    return model.model_validate(value, strict=True, by_alias=True, by_name=False)


def _without(value: Any, errors: list[ErrorDetails], model: type[M]) -> M | None:
    for error in errors:
        path = located(value, error)[0]
        kept = next((at for at, part in enumerate(path) if part in _WITHOUT_REFERENCES), None)
        if error["type"] == "extra_forbidden":
            value = _removed(value, path)
        elif kept is not None:
            value = _removed(value, path[: kept + 1])
        else:
            return None
    try:
        return _read(value, model)
    except ValidationError:
        return None


def _removed(value: Any, path: Path) -> Any:
    if not isinstance(value, dict | list):
        return value
    copy: Any = value.copy()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]  # JSON
    if len(path) == 1:
        if path[0] in copy:
            del copy[path[0]]
    elif isinstance(value, list) or path[0] in value:
        copy[path[0]] = _removed(copy[path[0]], path[1:])
    return copy


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


def _by_union(value: Any, errors: list[ErrorDetails]) -> list[list[ErrorDetails]]:
    """Put together the errors of all branches of one union; every other error stands alone."""
    groups: dict[tuple[object, ...], list[ErrorDetails]] = defaultdict(list)
    for at, error in enumerate(errors):
        _, union = located(value, error)
        groups[(at,) if union is None else ("union", *union)].append(error)
    return list(groups.values())


def _problems(document: Document, model: type[Definition], group: list[ErrorDetails]) -> list[Problem]:
    # A branch that got past the kind of value knows better what is wrong than one that wants another kind.
    closer = [each for each in group if not _wants_another_kind(document.value, each)]
    if closer or len(group) == 1:
        return [_problem(document, model, each) for each in closer or group]
    path, _ = located(document.value, group[0])
    expected = " or ".join(dict.fromkeys(_expected(each) for each in group))
    return [document.problem(path, f"expected {expected}, but found {describe(group[0]['input'])}")]


def _wants_another_kind(value: Any, error: ErrorDetails) -> bool:
    path, union = located(value, error)
    return path == union and (error["type"] in _EXPECTED or error["type"] == "literal_error")


def _problem(document: Document, model: type[Definition], error: ErrorDetails) -> Problem:
    path, _ = located(document.value, error)
    kind, found = error["type"], error["input"]
    if kind == "missing":
        return document.problem(path, f"{error['loc'][-1]!r} is missing", key=True)
    if kind == "extra_forbidden":
        name = str(path[-1])
        return document.problem(path, f"unknown key{instead(name, known_keys(model, path[:-1]))}", key=True)
    if "[key]" in error["loc"]:
        return document.problem(path, _sentence(error, found), key=True)
    return document.problem(path, _sentence(error, found))


def _sentence(error: ErrorDetails, found: Any) -> str:
    kind = error["type"]
    facts: dict[str, Any] = error.get("ctx") or {}
    if kind == "value_error":
        return str(facts["error"])
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"must be {words} {facts[name]:g}, but it is {found}"
    if kind == "too_short":
        return "is empty; at least one is needed"
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in _expected(error).replace(" or ", ", ").split(",")]
        guess = nearest(found, choices) if isinstance(found, str) else None
        return f"expected {_expected(error)}, but found {describe(found)}" + (
            f"; did you mean {guess!r}?" if guess else ""
        )
    if kind not in _EXPECTED:
        return error["msg"][:1].lower() + error["msg"][1:]
    return f"expected {_EXPECTED[kind]}, but found {describe(found)}{_advice(kind, found)}"


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        return str((error.get("ctx") or {})["expected"])
    return _EXPECTED.get(error["type"], "another value")


def _advice(kind: str, found: Any) -> str:
    if found is None:
        return "; give a value, or remove the key"
    if kind == "string_type" and isinstance(found, int | float):
        return "; put it into quotes"
    if kind == "bool_type" and isinstance(found, str) and found.lower() in ("yes", "no", "on", "off"):
        return f"; write {'true' if found.lower() in ('yes', 'on') else 'false'}"
    if kind in ("int_type", "float_type") and isinstance(found, str):
        return "; a reference gives a text, not a number" if "${" in found else "; write it without quotes"
    return ""
