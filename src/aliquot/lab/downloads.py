"""Taking files out as streams: one file or a part of it, and many files as a zip."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.export import pages_of
from aliquot.datasets.read import Entry, one_entry, resolve
from aliquot.db import Catalogue
from aliquot.formats.zip_stream import Member, zip_stream
from aliquot.lab.lab import Lab
from aliquot.model.blob import Location
from aliquot.model.reference import Reference

_PIECE = 1 << 20
_TRIED = 20
"""Adopted files that are looked for before a zip is begun."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file to be sent, and where it lies."""

    entry: Entry
    location: Location


def download(lab: Lab, reference: Reference) -> Download:
    """Find the file that a reference names; `Missing` when there is none."""
    with lab.catalogue.read() as connection:
        entry = one_entry(connection, resolve(connection, reference), reference.path or "/")
        return Download(entry, places.require(connection, [entry.digest])[entry.digest])


def pieces(store: Store, location: Location, start: int, length: int) -> Iterator[bytes]:
    """Give `length` bytes of a blob from byte `start` on, a piece of 1 MiB at a time."""
    for at in range(start, start + length, _PIECE):
        yield store.read_range(location, at, min(_PIECE, start + length - at))


def zip_of(lab: Lab, name: str, version: str, paths: Sequence[str]) -> tuple[int, Iterator[bytes]]:
    """Give the number of the version and a zip of it, or of some of its files and folders.

    What is not there is `Missing` before anything is sent, and of what was adopted, the first files are looked for
    where they lie. Names in the zip are the paths in the version.
    """
    with lab.catalogue.read() as connection:
        of = resolve(connection, Reference(name, version))
    references = [Reference(name, str(of.number), each) for each in _outermost(paths)] or [
        Reference(name, str(of.number))
    ]
    first = [next(pages_of(lab.catalogue, each), []) for each in references]
    _require_adopted(lab, [location for page in first for _, location, _ in page])
    return of.number, _zipped(lab.catalogue, lab.store, references)


def _require_adopted(lab: Lab, locations: Sequence[Location]) -> None:
    with lab.catalogue.read() as connection:
        adopted = places.adopted_among(connection, [each.digest for each in locations])
    for location in [each for each in locations if each.digest in adopted][:_TRIED]:
        lab.store.read_range(location, 0, 1)


def _zipped(catalogue: Catalogue, store: Store, references: Sequence[Reference]) -> Iterator[bytes]:
    yield from zip_stream(_members(catalogue, store, references), 315_532_800.0)


def _members(catalogue: Catalogue, store: Store, references: Sequence[Reference]) -> Iterator[Member]:
    for reference in references:
        for page in pages_of(catalogue, reference):
            for entry, location, _ in page:
                yield entry.path[1:], entry.size, store.stream(location)


def _outermost(paths: Sequence[str]) -> list[str]:
    """Leave out what lies in a folder that is chosen itself, so that no file comes twice."""
    kept: list[str] = []
    for path in sorted({"/" + each.lstrip("/") for each in paths}):
        if not any(path == each or (each.endswith("/") and path.startswith(each)) for each in kept):
            kept.append(path)
    return kept
