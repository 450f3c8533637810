"""Parameter values: from a command line or a form, through the pipeline's JSON Schema, to environment variables."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from aliquot.model.errors import Invalid
from aliquot.model.pipeline import Pipeline, parameter_schema

_EXACT = 2.0**53
"""Up to here every whole number has a float of its own."""


def parse_values(pipeline: Pipeline, texts: Mapping[str, str]) -> dict[str, Any]:
    """Read values that were typed as text, each by its parameter's type."""
    values: dict[str, Any] = {}
    for name, text in texts.items():
        kind = _declared(pipeline, name).get("type", "string")
        if kind == "string":
            values[name] = text
            continue
        try:
            values[name] = json.loads(text)
        except ValueError:
            raise Invalid(
                "parameter-refused",
                f"The parameter {name} takes {kind} values, not {text!r}.",
                parameter=name,
                value=text,
            ) from None
    return values


def complete(pipeline: Pipeline, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values, and add the defaults; one refused names the parameter and the rule."""
    for name in values:
        _declared(pipeline, name)
    full = {name: schema["default"] for name, schema in pipeline.parameters.items() if "default" in schema}
    full |= values
    for name in pipeline.parameters:
        if name not in full:
            raise Invalid(
                "parameter-missing",
                f"The parameter {name} has no default: give it with -p {name}=VALUE.",
                parameter=name,
            )
    problems = list(jsonschema_rs.validator_for(parameter_schema(pipeline)).iter_errors(full))
    if problems:
        first = problems[0]
        name = str(first.instance_path[0]) if first.instance_path else ""
        raise Invalid(
            "parameter-refused",
            f"The parameter {name} is refused: {first.message}.",
            parameter=name,
            value=full.get(name),
        )
    return full


def read_form(pipeline: Pipeline, typed: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the fields of a form: the values of those that were filled in, and by name what is wrong with them.

    A field that is not there, or empty where its type knows no empty text, takes the default.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, schema in pipeline.parameters.items():
        text, kind = typed.get(name), schema.get("type", "string")
        if text is None or (text == "" and (kind != "string" or "default" not in schema)):
            if "default" not in schema:
                problems[name] = "Give a value; there is no default."
            continue
        values[name], problem = _read_field(schema, kind, text)
        if problem:
            problems[name] = problem
    full = {name: schema["default"] for name, schema in pipeline.parameters.items() if "default" in schema} | values
    for error in jsonschema_rs.validator_for(parameter_schema(pipeline)).iter_errors(full):
        name = str(error.instance_path[0]) if error.instance_path else ""
        problems.setdefault(name, f"{error.message[:1].upper()}{error.message[1:]}.")
    return values, {name: text for name, text in problems.items() if name in pipeline.parameters}


def _read_field(schema: Mapping[str, Any], kind: Any, text: str) -> tuple[Any, str]:
    for choice in schema.get("enum", ()):
        if as_text(choice) == text:
            return choice, ""
    if kind == "string":
        return text, ""
    try:
        return json.loads(text, parse_constant=_no_number), ""
    except ValueError:
        words = {"number": "a number, with a point like 0.5", "integer": "a whole number", "boolean": "yes or no"}
        return text, f"This takes {words.get(str(kind), 'JSON')}, not {text[:100]!r}."


def _no_number(text: str) -> None:
    raise ValueError(text)


def as_text(value: Any) -> str:
    """Write a value as an environment variable holds it: text as it is, all else as JSON, 1e3 as 1000."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def _declared(pipeline: Pipeline, name: str) -> dict[str, Any]:
    if name not in pipeline.parameters:
        known = ", ".join(pipeline.parameters) or "none"
        raise Invalid(
            "parameter-unknown",
            f"The pipeline {pipeline.pipeline} has no parameter {name!r}; it has: {known}.",
            parameter=name,
        )
    return pipeline.parameters[name]
