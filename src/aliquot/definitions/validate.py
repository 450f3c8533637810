"""A document against its model: every mistake at its place, in plain words."""

import re
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aliquot.definitions.known_keys import known_keys
from aliquot.definitions.located import KINDS, by_place, located
from aliquot.definitions.problem import Problem, instead, nearest
from aliquot.definitions.recover import read, recover
from aliquot.definitions.yaml_text import Document, describe
from aliquot.model.definition import Definition

M = TypeVar("M", bound=Definition)

_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def validate(document: Document, model: type[M]) -> tuple[M | None, list[Problem]]:
    """Give the model, and all mistakes.

    With mistakes that nothing else depends on, such as unknown keys, the model is given all the same, without them, so
    that what refers to what can be checked in the same pass.
    """
    try:
        return read(document.value, model), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    groups = by_place(document.value, errors)
    problems = [each for group in groups for each in _problems(document, model, group)]
    return recover(document.value, [each for group in groups for each in group], model), problems


def _problems(document: Document, model: type[Definition], group: list[ErrorDetails]) -> list[Problem]:
    if len(group) == 1 or any(each["type"] not in KINDS for each in group):
        return [_problem(document, model, each) for each in group]
    path, _ = located(document.value, group[0])
    expected = " or ".join(dict.fromkeys(_expected(each) for each in group))
    return [document.problem(path, f"expected {expected}, but found {describe(group[0]['input'])}")]


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
    sentence = _sentence(error, found)
    # What a model says about a key of its own begins with the key in quotes.
    about = re.match(r"'(\w+)", sentence) if kind == "value_error" and isinstance(found, dict) else None
    if about and about[1] in found:
        return document.problem((*path, about[1]), sentence, key=True)
    return document.problem(path, sentence)


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
    if kind not in KINDS:
        return error["msg"][:1].lower() + error["msg"][1:]
    return f"expected {KINDS[kind]}, but found {describe(found)}{_advice(kind, found)}"


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        return str((error.get("ctx") or {})["expected"])
    return KINDS.get(error["type"], "another value")


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
