"""References to the environment in settings that are no texts: `workers: ${env:WORKERS}`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from aliquot.definitions.located import located
from aliquot.definitions.problem import Path, Problem
from aliquot.definitions.recover import put, read
from aliquot.definitions.yaml_text import Document, plain_scalar
from aliquot.model.definition import Definition
from aliquot.model.errors import Invalid
from aliquot.secrets.reference import references_in


def from_outside(
    document: Document, model: type[Definition], environment: Mapping[str, str]
) -> tuple[Document, list[Problem]]:
    """Give the document with the values of such references, for validation alone, and which of them are not set.

    A setting that is a text keeps its reference; it is resolved where it is used.
    """
    try:
        read(document.value, model)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    else:
        return document, []
    value, problems = document.value, list[Problem]()
    for each in errors:
        path, _ = located(value, each)
        name = _variable(_value_at(value, path))
        if name is None:
            continue
        if name not in environment:
            words = f"the environment variable {name} is not set, and this setting is needed to read the lab"
            problems.append(document.problem(path, words))
        else:
            value = put(value, path, _from_text(environment[name]))
    return replace(document, value=value), problems


def _value_at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _from_text(text: str) -> Any:
    try:
        return plain_scalar(text)
    except ValueError:
        return text


def _variable(text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    try:
        references = references_in(text)
    except Invalid:
        return None
    whole = len(references) == 1 and str(references[0]) == text and references[0].vault is None
    return references[0].name if whole else None
