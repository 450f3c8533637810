"""The delta of a version: what it adds and removes, as a blob; and the chain of digests over them.

A delta is zstd-compressed JSON lines. The first is the header: format, dataset, number, parent and provenance. Each
other line is `{"add": path, "digest": …, "size": …, "origin": …}` or `{"remove": path}`, in the order of paths.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import zstandard

from aliquot.model.digest import Digest, canonical, digest_bytes, digest_document
from aliquot.model.errors import Damaged

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Header:
    """What a delta says about its version."""

    dataset: str
    number: int
    parent: str
    provenance: Mapping[str, Any]


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
            }
        )
    ]
    changes: list[tuple[str, bytes]] = []
    for each in adds:
        line: dict[str, Any] = {"add": each.path, "digest": each.digest, "size": each.size}
        if each.origin:
            line["origin"] = each.origin
        changes.append((each.path, canonical(line)))
    changes += [(path, canonical({"remove": path})) for path in removes]
    changes.sort()
    lines += [line for _, line in changes]
    return zstandard.compress(b"\n".join(lines) + b"\n", 3)


def read_delta(data: bytes, name: str) -> tuple[Header, list[NewEntry], list[str]]:
    """Read a delta's bytes; anything that is not one is `Damaged`."""
    try:
        lines = _lines(data)
        first = next(lines)
        header = Header(first["dataset"], first["number"], first["parent"], first["provenance"])
        adds: list[NewEntry] = []
        removes: list[str] = []
        for line in lines:
            if "add" in line:
                adds.append(NewEntry(line["add"], Digest(line["digest"]), line["size"], line.get("origin")))
            else:
                removes.append(line["remove"])
    except (zstandard.ZstdError, ValueError, KeyError, StopIteration) as error:
        raise Damaged("delta-damaged", f"The delta {name} cannot be read; restore it from a copy.") from error
    return header, adds, removes


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    with zstandard.ZstdDecompressor().stream_reader(data) as reader:
        text = reader.readall()
    for line in text.splitlines():
        yield json.loads(line)


def version_digest(parent: str, delta: Digest, provenance: Mapping[str, Any]) -> Digest:
    """Digest a version: its parent's digest, its delta and its provenance."""
    return digest_bytes(f"aliquot version 1\n{parent}\n{delta}\n{digest_document(provenance)}\n".encode())
