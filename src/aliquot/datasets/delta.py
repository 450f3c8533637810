"""The delta of a version: what it adds and removes, as a blob; and the chain of digests over them.

A delta is zstd-compressed JSON lines. The first is the header: format, dataset, number, parent, provenance and how
many datums are parked. Each other line is `{"add": path, "digest": …, "size": …, "origin": …}` or
`{"remove": path}`, in the order of paths.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from itertools import repeat
from json.encoder import encode_basestring
from operator import is_, itemgetter
from typing import Any, NamedTuple, cast

import zstandard

from aliquot.model.digest import Digest, canonical, digest_bytes, digest_document
from aliquot.model.errors import Damaged

FORMAT = 1

_MARK = "\0path"

_quoted = encode_basestring
"""Writes text as `canonical` does."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a delta says about its version."""

    dataset: str
    number: int
    parent: str
    provenance: Mapping[str, Any]
    parked: int = 0


class Origin(NamedTuple):
    """Where files came from that lie in the dataset under the paths at which they arrived: thousands share one.

    Those that came `together` have one receipt, and the delta says nothing of the path of each.
    """

    source: str
    arrived_at: float
    together: bool = False

    def document(self, path: str) -> dict[str, Any]:
        """Give what a delta says of the file at `path`."""
        alone = {} if self.together else {"path": path}
        return {"source": self.source, **alone, "arrived_at": self.arrived_at}


class NewEntry(NamedTuple):
    """A file that a version adds. `origin` is kept in the delta: where the file came from, for a lost catalogue.

    Of a file that a task made, it is the key of that, as text: a hundred thousand may be held at once.
    """

    path: str
    digest: Digest
    size: int
    origin: Mapping[str, Any] | Origin | str | None = None
    receipt_id: int | None = None
    task_id: int | None = None


_LINES = 1_000


def write_delta(header: Header, adds: Iterable[NewEntry], removes: Iterable[str]) -> bytes:
    """Write a delta's bytes."""
    gone = list(removes)
    changes: list[NewEntry | str] = sorted([*adds, *gone], key=_path_of if gone else itemgetter(0))
    writer = DeltaWriter(header)
    writer.add(changes)
    return writer.finish()


class DeltaWriter:
    """Writes a delta's bytes, some of its changes after the other."""

    def __init__(self, header: Header) -> None:
        self._packer = zstandard.ZstdCompressor(level=3).compressobj()
        self._packed = BytesIO()
        heading = canonical(
            {
                "format": FORMAT,
                "dataset": header.dataset,
                "number": header.number,
                "parent": header.parent,
                "provenance": header.provenance,
                "parked": header.parked,
            }
        )
        self._packed.write(self._packer.compress(heading + b"\n"))

    def add(self, changes: Sequence[NewEntry | str]) -> None:
        """Write changes, in the order of their paths, which come after all that were written before."""
        # A few at a time: the lines of a large change are many times what they are packed. Nor is that held twice.
        for at in range(0, len(changes), _LINES):
            lines = "".join(_some_lines(changes[at : at + _LINES]))
            self._packed.write(self._packer.compress(lines.encode()))

    def finish(self) -> bytes:
        """Give all of it."""
        self._packed.write(self._packer.flush())
        return self._packed.getvalue()


def _some_lines(changes: Sequence[NewEntry | str]) -> list[str]:
    first = changes[0]
    origin = None if isinstance(first, str) else first.origin
    if not isinstance(origin, Origin) or not origin.together or not _share(changes, origin):
        return [f"{_line(each)}\n" for each in changes]
    # They came together: only path, digest and size differ between them.
    said = _around_path(origin)[0]
    return [
        f'{{"add":{_quoted(path)},"digest":"{digest}","origin":{said},"size":{size}}}\n'
        for path, digest, size, _, _, _ in cast("Sequence[NewEntry]", changes)
    ]


def _share(changes: Sequence[NewEntry | str], origin: Origin) -> bool:
    """Say whether all are adds of one origin: without a line of Python for each, since they come by ten thousands."""
    return set(map(type, changes)) == {NewEntry} and all(map(is_, map(itemgetter(3), changes), repeat(origin)))


def _path_of(change: NewEntry | str) -> str:
    return change if isinstance(change, str) else change.path


def _line(change: NewEntry | str) -> str:
    return canonical({"remove": change}).decode() if isinstance(change, str) else _add_line(change)


def _add_line(entry: NewEntry) -> str:
    """Write the line of an add, as `canonical` would: put together by hand, since there are many and all alike."""
    path, origin = _quoted(entry.path), entry.origin
    if isinstance(origin, Origin):
        before, after = _around_path(origin)
        said = f'"origin":{before},' if origin.together else f'"origin":{before}{path}{after},'
    elif isinstance(origin, str):
        said = f'"origin":{{"key":{_quoted(origin)}}},'
    else:
        said = f'"origin":{canonical(origin).decode()},' if origin else ""
    return f'{{"add":{path},"digest":"{entry.digest}",{said}"size":{entry.size}}}'


@lru_cache(maxsize=64)
def _around_path(origin: Origin) -> tuple[str, str]:
    before, _, after = canonical(origin.document(_MARK)).decode().partition(_quoted(_MARK))
    return before, after


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
