"""JSON Schemas inside definitions: that they are valid, and say what their writer meant."""

import functools
from collections.abc import Iterator
from typing import Any, NoReturn, cast

import jsonschema_rs

from aliquot.definitions.problem import Path, Problem, nearest
from aliquot.definitions.yaml_text import Document

_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_OF_SCHEMA = (
    "items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not", "unevaluatedItems",
    "unevaluatedProperties",
)  # fmt: skip
_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_OF_NAMED_SCHEMAS = ("properties", "patternProperties", "dependentSchemas", "$defs")
_OTHERS = (
    "$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment", "type", "const",
    "enum", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength",
    "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties",
    "required", "dependentRequired", "format", "title", "description", "default", "deprecated", "readOnly", "writeOnly",
    "examples", "contentMediaType", "contentEncoding", "contentSchema", "unit",
)  # fmt: skip
_KEYWORDS = (*_OF_SCHEMA, *_OF_SCHEMAS, *_OF_NAMED_SCHEMAS, *_OTHERS)


@functools.cache
def _meta() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"$ref": "https://json-schema.org/draft/2020-12/schema"})


def check_schema(document: Document, path: Path, schema: Any) -> list[Problem]:
    """Give what is wrong with the JSON Schema at this path of a document: with its keywords, values and defaults."""
    problems = [
        document.problem((*path, *error.instance_path), _in_words(error)) for error in _meta().iter_errors(schema)
    ]
    problems += _misspelled(document, path, schema)
    if problems:
        return problems
    try:
        jsonschema_rs.Draft202012Validator(schema, retriever=_refuse_to_fetch)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return [document.problem((*path, *getattr(error, "instance_path", ())), _first_line(error))]
    return _defaults(document, path, schema)


def _refuse_to_fetch(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")


def _first_line(error: Exception) -> str:
    if isinstance(error, jsonschema_rs.ValidationError):
        if list(error.instance_path)[-1:] == ["pattern"]:
            return f"{error.message.split(' is not a ')[0]} is not a regular expression"
        if "retrieving it failed" in error.message:
            return f"nothing is fetched from outside; write out what {error.message.split()[1]} says"
        return f"the JSON Schema cannot be used: {error.message}"
    return f"the JSON Schema cannot be used: {str(error).splitlines()[0]}"


def _in_words(error: jsonschema_rs.ValidationError) -> str:
    if list(error.instance_path)[-1:] == ["type"] and isinstance(error.instance, str):
        guess = nearest(error.instance, _TYPES)
        advice = f"did you mean {guess!r}?" if guess else f"there is {', '.join(_TYPES)}"
        return f"{error.instance!r} is not a JSON Schema type; {advice}"
    return f"not valid JSON Schema: {error.message}"


def _misspelled(document: Document, path: Path, schema: Any) -> Iterator[Problem]:
    """Find keywords that look like others: JSON Schema ignores what it does not know, and the check would be lost."""
    for inner, each in _schemas(path, schema):
        for key in each:
            if key not in _KEYWORDS and (guess := nearest(key, _KEYWORDS, cutoff=0.8)):
                words = f"JSON Schema has no keyword {key!r}; did you mean {guess!r}?"
                yield document.problem((*inner, key), words, key=True)
        properties, required = each.get("properties"), each.get("required")
        if isinstance(properties, dict) and isinstance(required, list):
            names = [str(name) for name in cast("dict[Any, Any]", properties)]
            for at, name in enumerate(cast("list[Any]", required)):
                if isinstance(name, str) and name not in names and (guess := nearest(name, names)):
                    words = f"there is no property {name!r}; did you mean {guess!r}?"
                    yield document.problem((*inner, "required", at), words)


def _schemas(path: Path, schema: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    if not isinstance(schema, dict):
        return
    each = cast("dict[str, Any]", schema)
    yield path, each
    for key in _OF_SCHEMA:
        yield from _schemas((*path, key), each.get(key))
    for key in (*_OF_SCHEMAS, *_OF_NAMED_SCHEMAS):
        several = each.get(key)
        if isinstance(several, list):
            for at, inner in enumerate(cast("list[Any]", several)):
                yield from _schemas((*path, key, at), inner)
        elif isinstance(several, dict):
            for name, inner in cast("dict[str, Any]", several).items():
                yield from _schemas((*path, key, name), inner)


def _defaults(document: Document, path: Path, schema: Any) -> list[Problem]:
    problems: list[Problem] = []
    for inner, each in _schemas(path, schema):
        if "default" not in each or "$ref" in str(each):
            continue
        checking = jsonschema_rs.Draft202012Validator(each, retriever=_refuse_to_fetch)
        problems += [
            document.problem((*inner, "default"), f"the default does not fit its own schema: {error.message}")
            for error in checking.iter_errors(each["default"])
        ]
    return problems
