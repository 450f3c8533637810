"""Which of several types that fit a file asks for more; none, where neither asks for all that the other does."""

from collections.abc import Sequence

from aliquot.model.file_type import FileType
from aliquot.model.glob import GlobError, compile_glob

_WEIGHTY = frozenset({"table", "any"})
"""Formats that say nothing of a file's first bytes."""


def most_specific(types: Sequence[FileType]) -> FileType | None:
    """Give the type that asks for all that each of the others asks, and for more."""
    for each in types:
        if all(other is each or _asks_more(each, other) for other in types):
            return each
    return None


def _asks_more(one: FileType, other: FileType) -> bool:
    mine, theirs = _of_content(one), _of_content(other)
    if mine != theirs:
        return mine > theirs
    narrower, wider = _within(one, other), _within(other, one)
    return narrower and not wider


def _of_content(type_: FileType) -> frozenset[tuple[str, str]]:
    asks = type_.recognise
    found = {("column", each) for each in asks.columns or ()} | {("json", each) for each in asks.json_ or ()}
    if asks.magic:
        # Four bytes ask for more than the first two of them.
        digits = "".join(asks.magic.split()).lower()
        found |= {("magic", digits[:end]) for end in range(2, len(digits) + 1, 2)}
    found |= {(name, value) for name, value in (("root", asks.root), ("first", asks.first)) if value}
    if type_.format not in _WEIGHTY:
        found.add(("format", type_.format))
    return frozenset(found)


def _within(one: FileType, other: FileType) -> bool:
    """Say whether every name that fits one type fits the other, as far as their globs tell."""
    mine, theirs = one.recognise, other.recognise
    if theirs.extension is not None and not (_dotted(mine.extension) or mine.name or "").lower().endswith(
        _dotted(theirs.extension).lower()
    ):
        return False
    named = mine.name or (f"*{_dotted(mine.extension)}" if mine.extension else None)
    if theirs.name is not None and theirs.name != "*" and not _covers("/" + theirs.name, named and "/" + named):
        return False
    return theirs.path is None or _covers(theirs.path, mine.path)


def _covers(wide: str, narrow: str | None) -> bool:
    if narrow is None:
        return False
    try:
        return wide == narrow or compile_glob(wide).match(narrow) is not None
    except GlobError:
        return False


def _dotted(extension: str | None) -> str:
    return "" if extension is None else extension if extension.startswith(".") else "." + extension
