"""Sidecar files: a few named values in YAML or JSON that say something of the file beside them."""

import json
from pathlib import Path
from typing import Any, cast

from aliquot.definitions.yaml_text import read_yaml
from aliquot.model.errors import Invalid

ENDINGS = (".yaml", ".yml", ".json")
"""What the name of a sidecar file ends in."""

_LARGEST = 2**20


def read_sidecar(path: str | Path) -> dict[str, Any]:
    """Give the values of a sidecar file by their names; what is no mapping of names to values is `Invalid`."""
    place = Path(path)
    try:
        if place.stat().st_size > _LARGEST:
            raise _unreadable("has more than 1 MiB, which no description needs")
        data = place.read_bytes()
    except OSError as error:
        raise _unreadable(f"cannot be read ({error.strerror or error})") from error
    value = _json(data) if place.suffix.lower() == ".json" else _yaml(data)
    if not isinstance(value, dict) or not value:
        raise _unreadable("names no values; write lines like 'operator: Ada'")
    return {str(name): each for name, each in cast("dict[Any, Any]", value).items()}


def value_of(text: str, schema: Any) -> Any:
    """Read a value that was typed as text, as a number, a list and so on where its JSON Schema takes no text.

    What cannot be read so stays the text that it is, for the schema to refuse in its own words.
    """
    kinds: Any = cast("dict[str, Any]", schema).get("type", "string") if isinstance(schema, dict) else "string"
    wanted = {str(each) for each in cast("list[Any]", kinds)} if isinstance(kinds, list) else {str(kinds)}
    if "string" in wanted:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text.lower() == "true" if "boolean" in wanted and text.lower() in ("true", "false") else text


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _unreadable("is not written in UTF-8; save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise _unreadable(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _unreadable("is nested too deep") from None


def _yaml(data: bytes) -> Any:
    document, problems = read_yaml(data, "sidecar")
    if problems:
        first = problems[0]
        raise _unreadable(f"is not YAML as it is read here: line {first.line}, column {first.column}: {first.text}")
    return None if document is None else document.value


def _unreadable(what: str) -> Invalid:
    return Invalid("sidecar-unreadable", f"The sidecar file {what}.")
