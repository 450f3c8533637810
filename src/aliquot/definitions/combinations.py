"""Combinations of inputs that this version does not know: refused clearly, wherever they stand."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from aliquot.definitions.problem import Path, Problem
from aliquot.definitions.yaml_text import Document

_COMBINATIONS = ("join", "cross", "group", "union")
_OF_COMBINATIONS = ("join_on", "outer_join")
_NOT_YET = "is not available yet; this version knows the cross product and group_by"


def without_combinations(document: Document) -> tuple[Document, list[Problem]]:
    """Give the document with its inputs side by side, so that the rest of it can be checked, and what was refused."""
    steps = _mapping(_mapping(document.value).get("steps"))
    problems: list[Problem] = []
    plain: dict[str, Any] = {}
    for name, step in steps.items():
        inputs = _mapping(_mapping(step).get("inputs"))
        problems += _refused(document, ("steps", name, "inputs"), inputs)
        plain[name] = step if not inputs else {**step, "inputs": dict(_side_by_side(inputs))}
    if not problems:
        return document, []
    return replace(document, value={**document.value, "steps": plain}), problems


def _refused(document: Document, path: Path, inputs: dict[str, Any]) -> Iterator[Problem]:
    for name, value in inputs.items():
        if name in _COMBINATIONS and isinstance(value, list):
            yield document.problem((*path, name), f"{name} {_NOT_YET}", key=True)
            continue
        for key in _OF_COMBINATIONS:
            if key in _mapping(value):
                yield document.problem((*path, name, key), f"{key} {_NOT_YET}", key=True)


def _side_by_side(inputs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in inputs.items():
        if name in _COMBINATIONS and isinstance(value, list):
            for each in cast("list[Any]", value):
                yield from _side_by_side(_mapping(each))
        else:
            several = isinstance(value, dict)
            yield name, {k: v for k, v in _mapping(value).items() if k not in _OF_COMBINATIONS} if several else value


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
