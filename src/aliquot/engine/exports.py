"""What a step exports: values out of `out/exports.json` that later steps see in their environment."""

from collections.abc import Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from aliquot.engine.parameters import as_text

LARGEST = 100_000
"""Bytes of a value: Linux gives a program no variable of more than 128 KiB."""


def exported_values(paths: Mapping[str, str], content: Any) -> tuple[dict[str, Any], str]:
    """Read the values that a step exports; the text says why one cannot be read, empty when all could."""
    values: dict[str, Any] = {}
    for name, path in paths.items():
        try:
            values[name] = jmespath.search(path, content)
            why = "it gives nothing there" if content is not None else "the command wrote no such file"
        except JMESPathError as error:
            values[name], why = None, str(error)
        if values[name] is None:
            return {}, f"The export {name} cannot be read from out/exports.json by {path!r}: {why}"
        if problem := _unfit(values[name]):
            return {}, f"The export {name} {problem}: no environment variable can hold it. Write it to a file instead."
    return values, ""


def _unfit(value: Any) -> str:
    text = as_text(value)
    size = len(text.encode(errors="surrogatepass"))
    if size > LARGEST:
        return f"has {size:,} bytes, more than {LARGEST:,}"
    return "holds the character NUL" if "\0" in text else ""
