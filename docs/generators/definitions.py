"""definitions.md: every key of the files that people write, from the JSON Schemas that check them."""

import json
from collections.abc import Iterator
from typing import Any

from aliquot.definitions.schema import json_schema
from generators.text import cell, code, page, table

FILES = {
    "lab": ("The lab: `aliquot.yaml`", "One file in the lab's folder."),
    "type": ("A file type: `types/*.yaml`", "One file for each type; its name is for people."),
    "pipeline": ("A pipeline: `pipelines/*.yaml`", "One file for each pipeline."),
    "record": ("A record type: `records/*.yaml`", "One file for each record type."),
}

_ABOUT = """\
All are YAML 1.2 in the lab's folder. Unknown keys, keys that stand twice and wrong types are refused with file, line,
column and the nearest known name. `aliquot schema lab` (or `type`, `pipeline`, `record`, `source`) prints the same as
JSON Schema, for editors.

`store`, `catalogue` and `hub` may hold `${env:NAME}` and `${secret:vault/name}`; see
[keep secrets out of files](../how-to/keep-secrets-out-of-files.md). *Time* is written like `500ms`, `2s`, `10m`, `1h`,
`1d`; a bare number is seconds. *Size* is written like `512MiB`, `4GiB`, `500MB`; a bare number is bytes. *Name* is made
of lower-case letters, digits, `-`, `_` and `.`, and begins with a letter or digit."""


def definitions_page() -> str:
    """Make the page."""
    parts: list[str] = []
    for kind, (title, about) in FILES.items():
        schema = json_schema(kind)
        parts += [f"## {title}", about, _keys(schema, schema)]
        for name, inner in _inner(schema):
            parts += [f"### {_title(name)}", cell(inner.get("description", "")), _keys(inner, schema)]
    return page("Definitions", _ABOUT, *_once(parts))


def _once(parts: list[str]) -> Iterator[str]:
    """Leave out a definition that stands on the page already."""
    seen: set[str] = set()
    skipping = False
    for part in parts:
        if part.startswith("#"):
            skipping = part in seen
            seen.add(part)
        if not skipping:
            yield part


def _inner(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, inner in _in_order(schema, schema, []):
        full = inner if "properties" in inner else inner["anyOf"][-1]
        yield name, {**full, "description": inner.get("description", "")}


def _in_order(at: Any, schema: dict[str, Any], seen: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the definitions in the order in which keys refer to them."""
    if isinstance(at, dict):
        reference = at.get("$ref", "")
        if isinstance(reference, str) and reference.startswith("#/$defs/"):
            name = reference.rpartition("/")[2]
            if name not in seen:
                seen.append(name)
                yield name, schema["$defs"][name]
                yield from _in_order(schema["$defs"][name], schema, seen)
        for key, each in at.items():
            if key != "$defs":
                yield from _in_order(each, schema, seen)
    elif isinstance(at, list):
        for each in at:
            yield from _in_order(each, schema, seen)


def _keys(full: dict[str, Any], schema: dict[str, Any]) -> str:
    required = set(full.get("required", []))
    rows = []
    for key, about in full["properties"].items():
        default = "**required**" if key in required else _default(about)
        rows.append((code(key), cell(_kind(about, schema)), default, cell(about.get("description", ""))))
    if isinstance(further := full.get("additionalProperties"), dict):
        rows.append(("any other name", cell(_kind(further, schema)), "", "An input of that name."))
    return table(("key", "value", "default", "what it is"), rows)


def _default(about: dict[str, Any]) -> str:
    if "default" not in about or about["default"] in (None, "", [], {}) or "$ref" in about:
        return ""
    value = about["default"]
    if isinstance(value, dict):
        return ""
    return code(value if isinstance(value, str) else json.dumps(value))


def _kind(about: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in about:
        name = about["$ref"].rpartition("/")[2]
        if name == "schema":
            return "JSON Schema"
        inner = schema["$defs"][name]
        short = _kind(inner["anyOf"][0], schema) + " or " if "anyOf" in inner else ""
        return f"{short}[{_title(name)}](#{_title(name)})"
    if "enum" in about:
        return " or ".join(f"`{each}`" for each in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    if choices := about.get("anyOf", about.get("oneOf")):
        return " or ".join(dict.fromkeys(_kind(each, schema) for each in choices if each != {"type": "null"}))
    if about.get("examples") == ["2s", "1h"]:
        return "time"
    if about.get("examples") == ["512MiB", "4GiB"]:
        return "size"
    return _plain_kind(about, schema)


def _plain_kind(about: dict[str, Any], schema: dict[str, Any]) -> str:
    kind = about.get("type")
    if kind == "array":
        return f"list of {_kind(about.get('items', {}), schema)}"
    if kind == "object":
        values = next(iter(about.get("patternProperties", {}).values()), about.get("additionalProperties"))
        return f"mapping: name to {_kind(values, schema)}" if isinstance(values, dict) else "mapping"
    if kind == "string":
        return "digest" if "blake3:" in about.get("pattern", "") else "name" if "pattern" in about else "text"
    if kind in {"integer", "number"}:
        low = about.get("minimum", about.get("exclusiveMinimum"))
        word = "whole number" if kind == "integer" else "number"
        return word if low is None else f"{word} {'over' if 'exclusiveMinimum' in about else 'from'} {low:g}"
    if kind == "boolean":
        return "`true` or `false`"
    return "any value"


def _title(name: str) -> str:
    """Write a class's name as words: `StepInput` is `step-input`."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).strip("-")
