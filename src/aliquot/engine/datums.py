"""Datums: the parts of the inputs that one task each works on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aliquot.model.digest import Digest
from aliquot.model.glob import Captures


class File(NamedTuple):
    """A file that a step may take: path, digest, size in bytes, and the key of the task that made it."""

    path: str
    digest: Digest
    size: int
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What a datum holds of one input.

    `matched` is the entry that the glob matched, `/` when there are several; `single` says that it is one file.
    """

    input: str
    matched: str
    captures: Captures
    files: tuple[File, ...]
    single: bool


Datum = tuple[Part, ...]
"""What one task works on: a part of each input that it has, in the order in which the step names them."""


def complete_already(
    datum: Datum, unfinished: Collection[str], growing: Mapping[str, Collection[str]] | None = None
) -> bool:
    """Say whether nothing can be added to a datum any more while these inputs still get files.

    Each of its parts is one file then, or a directory of an input of which all entries that are `growing` are known.
    """
    known = growing or {}
    return all(
        part.single or (part.input in known and part.matched != "/" and part.matched not in known[part.input])
        for part in datum
        if part.input in unfinished
    )


def named(datum: Datum) -> dict[str, str]:
    """Give the named captures of a datum, which commands see in capitals."""
    return {name: value for part in datum for name, value in part.captures.items() if not name.isdigit()}


def label(datum: Datum) -> str:
    """Name a datum for a person: what it captured or matched."""
    return label_of([(part.matched, part.captures) for part in datum])


def label_of(parts: Sequence[tuple[str, Captures]]) -> str:
    """Name a datum by what its parts matched, and those of several entries by what they captured.

    Where nothing was matched alone, captures under a name go before those under a number.
    """
    if not parts:
        return "no input"
    matched = [entry for entry, _ in parts if entry != "/"]
    if matched:
        return " + ".join(matched)
    found = [(name.isdigit(), value) for _, captures in parts for name, value in captures.items()]
    captured = [value for numbered, value in found if not numbered] or [value for _, value in found]
    return " + ".join(dict.fromkeys(captured)) or "everything"
