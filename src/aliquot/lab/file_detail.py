"""One file of a version as pages, API and programs show it: what it is, where it came from, what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Connection

from aliquot.access.by import By
from aliquot.datasets.lineage import Node, lineage
from aliquot.datasets.read import Entry, Version, entries, one_entry, resolve
from aliquot.lab.previews import Shown
from aliquot.lab.seen import only_seen, sight_of
from aliquot.model.blob import Blob
from aliquot.model.reference import parse_reference

_NEAR = 12
_PAIRED = {".imzml": (".ibd", ".IBD", ".Ibd"), ".ibd": (".imzML", ".imzml", ".IMZML", ".ImzML")}


@dataclass(frozen=True, slots=True)
class FileDetail:
    """A file in a version.

    `came_from` are its arrival or the task that made it, `came_of` what was made from it: kind, name, and facts of each
    as lineage has them. `described` is what people said of it on arrival, by name, with the value and its origin.
    `beside` is the path of the file that it is a pair with.
    """

    dataset: str
    version: int
    path: str
    name: str
    digest: str
    size: int
    type: str | None
    described: dict[str, Any]
    came_from: list[dict[str, Any]]
    came_of: list[dict[str, Any]]
    beside: str | None


def file_detail(connection: Connection, by: By, dataset: str, version: str, path: str) -> tuple[FileDetail, Shown]:
    """Look at a file of a version, or say that it is `Missing`; also give what a preview of it is made from.

    What it came from and what came of it is told as far as `by` may see it.
    """
    of = resolve(connection, parse_reference(f"{dataset}@{version}"))
    entry = one_entry(connection, of, "/" + path.lstrip("/"))
    beside = _beside(connection, of, entry.path)
    reference = parse_reference(f"{of}:{entry.path}")
    near = lineage(connection, reference, "both", depth=1, limit=2 * _NEAR, sight=sight_of(connection, by))
    tree = only_seen(connection, near, by)
    arrived = next((node.facts for node in tree.back if node.kind == "arrival"), {})
    detail = FileDetail(
        dataset=of.dataset,
        version=of.number,
        path=entry.path,
        name=PurePosixPath(entry.path).name,
        digest=entry.digest,
        size=entry.size,
        type=arrived.get("type"),
        described=_described(arrived),
        came_from=[_near(node) for node in tree.back],
        came_of=[_near(node) for node in tree.forward],
        beside=beside.path if beside else None,
    )
    return detail, _shown(entry, beside)


def shown_file(connection: Connection, dataset: str, version: str, path: str) -> Shown:
    """Give what a preview of a file is made from, without the rest."""
    of = resolve(connection, parse_reference(f"{dataset}@{version}"))
    entry = one_entry(connection, of, "/" + path.lstrip("/"))
    return _shown(entry, _beside(connection, of, entry.path))


def other_halves(path: str) -> list[str]:
    """Give what the other half of a pair may be called, whatever the case of its ending; empty for other files."""
    stem, dot, ending = path.rpartition(".")
    return [stem + other for other in _PAIRED.get(dot + ending.lower(), ())]


def _shown(entry: Entry, beside: Entry | None) -> Shown:
    return Shown(entry.path, Blob(entry.digest, entry.size), Blob(beside.digest, beside.size) if beside else None)


def _beside(connection: Connection, of: Version, path: str) -> Entry | None:
    """Find the file that belongs to one half of a pair."""
    for other in other_halves(path):
        for found in entries(connection, of, below=other, limit=1):
            if found.path == other:
                return found
    return None


def _near(node: Node) -> dict[str, Any]:
    return {"kind": node.kind, "name": node.name, "facts": dict(node.facts)}


def _described(arrived: Mapping[str, Any]) -> dict[str, Any]:
    facts = arrived.get("facts")
    found = facts.get("described") if isinstance(facts, dict) else None
    return dict(found) if isinstance(found, dict) else {}
