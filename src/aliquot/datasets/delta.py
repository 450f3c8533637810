"""The delta of a version: what it adds and removes, as a blob; and the chain of digests over them.

A delta is zstd-compressed JSON lines. The first is the header: format, dataset, number, parent, provenance and how
many datums are parked. Each other line is `{"add": path, "digest": …, "size": …, "origin": …}` or
`{"remove": path}`, in the order of paths.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import zstandard

from aliquot.model.digest import Digest, canonical, digest_bytes, digest_document
from aliquot.model.errors import Damaged

FORMAT = 1

_PLAIN = {str, float}
"""Types whose equal values are written alike."""

_text = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Header:
    """What a delta says about its version."""

    dataset: str
    number: int
    parent: str
    provenance: Mapping[str, Any]
    parked: int = 0


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A file that a version adds. `origin` is kept in the delta: where the file came from, for a lost catalogue."""

    path: str
    digest: Digest
    size: int
    origin: Mapping[str, Any] | None = None
    receipt_id: int | None = None
    task_id: int | None = None


def write_delta(header: Header, adds: Iterable[NewEntry], removes: Iterable[str]) -> bytes:
    """Write a delta's bytes."""
    lines = [
        canonical(
            {
                "format": FORMAT,
                "dataset": header.dataset,
                "number": header.number,
                "parent": header.parent,
                "provenance": header.provenance,
                "parked": header.parked,
            }
        )
    ]
    changes: list[tuple[str, bytes]] = []
    changes += [(each.path, _add_line(each)) for each in adds]
    changes += [(path, canonical({"remove": path})) for path in removes]
    changes.sort()
    lines += [line for _, line in changes]
    return zstandard.compress(b"\n".join(lines) + b"\n", 3)


def _add_line(entry: NewEntry) -> bytes:
    """Write the line of an add, as `canonical` would: put together by hand, since there are many and all alike."""
    path = _text(entry.path)
    origin = f'"origin":{_origin(entry.origin, entry.path, path)},' if entry.origin else ""
    return f'{{"add":{path},"digest":{_text(entry.digest)},{origin}"size":{entry.size}}}'.encode()


def _origin(origin: Mapping[str, Any], path: str, text: str) -> str:
    """Write an origin; those of files that came together differ by the path alone, most often the entry's own."""
    if origin.get("path") != path or not {type(value) for value in origin.values()} <= _PLAIN:
        return canonical(origin).decode()
    before, after = _around_path(tuple([each for each in origin.items() if each[0] != "path"]))
    return f'{before}"path":{text}{after}'


@lru_cache(maxsize=64)
def _around_path(shared: tuple[tuple[str, Any], ...]) -> tuple[str, str]:
    before = canonical({name: value for name, value in shared if name < "path"}).decode()[:-1]
    after = canonical({name: value for name, value in shared if name > "path"}).decode()[1:]
    return before + "," * (before != "{"), "," * (after != "}") + after


def read_delta(data: bytes, name: str) -> tuple[Header, list[NewEntry], list[str]]:
    """Read a delta's bytes; anything that is not one is `Damaged`."""
    header, changes = stream_delta([data], name)
    adds: list[NewEntry] = []
    removes: list[str] = []
    for each in changes:
        if isinstance(each, NewEntry):
            adds.append(each)
        else:
            removes.append(each)
    return header, adds, removes


def stream_delta(pieces: Iterable[bytes], name: str) -> tuple[Header, Iterator[NewEntry | str]]:
    """Read a delta piece by piece: its header, then its adds, and removed paths as text, in the order of paths.

    Anything that is not a delta is `Damaged`, at the latest when the end is reached.
    """
    lines = _lines(pieces)
    try:
        first = json.loads(next(lines))
        if first["format"] != FORMAT:
            raise ValueError(first["format"])
        header = Header(first["dataset"], first["number"], first["parent"], first["provenance"], first["parked"])
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise _damaged(name) from error
    return header, _changes(lines, name)


def _changes(lines: Iterator[bytes], name: str) -> Iterator[NewEntry | str]:
    try:
        for text in lines:
            line = json.loads(text)
            if "add" in line:
                yield NewEntry(line["add"], Digest(line["digest"]), line["size"], line.get("origin"))
            else:
                yield line["remove"]
    except (zstandard.ZstdError, ValueError, KeyError, TypeError) as error:
        raise _damaged(name) from error


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor().decompressobj()
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + reader.decompress(piece)).split(b"\n")
        yield from lines
    if rest or not reader.eof:
        raise ValueError("the delta is cut off")


def _damaged(name: str) -> Damaged:
    return Damaged("delta-damaged", f"The delta {name} cannot be read; restore it from a copy.", delta=name)


def version_digest(parent: str, delta: Digest, provenance: Mapping[str, Any]) -> Digest:
    """Digest a version: its parent's digest, its delta and its provenance."""
    return digest_bytes(f"aliquot version 1\n{parent}\n{delta}\n{digest_document(provenance)}\n".encode())
