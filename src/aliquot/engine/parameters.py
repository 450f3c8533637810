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
