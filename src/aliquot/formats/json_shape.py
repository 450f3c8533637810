"""The keys of a JSON object, seen from the first bytes of a file of any size."""

import codecs
import json
import re
from pathlib import Path

_HEAD = 2**20
_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')


def json_keys(path: Path) -> frozenset[str] | None:
    """Give the keys of a JSON object, or of the first object in a list or in JSON lines; None where there is none.

    Of a file of more than 1 MiB, only keys that stand within that are seen.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    text = codecs.getincrementaldecoder("utf-8-sig")("replace").decode(head).lstrip()
    if text.startswith("["):
        text = text[1:].lstrip()
    if not text.startswith("{"):
        return None
    keys: set[str] = set()
    depth = 0
    before = ""
    for found in _MARK.finditer(text):
        mark = found[0]
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                break
        elif mark == ":" and depth == 1 and before.startswith('"'):
            keys.add(_read(before))
        before = mark
    return frozenset(keys)


def _read(mark: str) -> str:
    try:
        return str(json.loads(mark, strict=False))
    except ValueError:
        return mark[1:-1]
