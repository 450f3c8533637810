"""Receipts out of what deltas say of their files' origins."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast

from sqlalchemy import Connection, select

from aliquot.datasets.delta import NewEntry
from aliquot.datasets.names import VersionName
from aliquot.db.rows import chunks, insert_missing
from aliquot.db.tables import receipt

_KNOWN = {"source", "path", "size", "mtime_ns", "digest", "arrived_at", "type", "who"}

Arrival = tuple[str, str, int, int, str]
"""What a receipt is known by: source, path, size, modification time in nanoseconds, digest."""


def receipts_of(connection: Connection, said: VersionName, adds: Sequence[NewEntry]) -> tuple[list[NewEntry], int]:
    """Write the receipts of files whose origin is an arrival, and give the files with them, and how many are new.

    An origin is an arrival when it names a `source` and a `path`. Several files may be of one arrival.
    """
    arrivals = {_arrival(each, each.origin): each for each in adds if _is_arrival(each.origin)}
    if not arrivals:
        return list(adds), 0
    before = _known(connection, arrivals)
    rows = [_row(said, arrival, each) for arrival, each in arrivals.items() if arrival not in before]
    insert_missing(connection, receipt, rows)
    known = _known(connection, arrivals)
    return [
        each._replace(receipt_id=known[_arrival(each, each.origin)]) if _is_arrival(each.origin) else each
        for each in adds
    ], len(rows)


def _is_arrival(origin: object) -> TypeGuard[Mapping[str, Any]]:
    if not isinstance(origin, Mapping):
        return False
    said = cast("Mapping[str, Any]", origin)
    return isinstance(said.get("source"), str) and isinstance(said.get("path"), str)


def _arrival(each: NewEntry, origin: Mapping[str, Any]) -> Arrival:
    return (
        origin["source"],
        origin["path"],
        int(origin.get("size", each.size)),
        int(origin.get("mtime_ns", 0)),
        str(origin.get("digest", each.digest)),
    )


def _known(connection: Connection, arrivals: Mapping[Arrival, NewEntry]) -> dict[Arrival, int]:
    found: dict[Arrival, int] = {}
    for part in chunks(list({arrival[4] for arrival in arrivals})):
        for row in connection.execute(select(receipt).where(receipt.c.digest.in_(part))):
            found[row.source, row.path, row.size, row.mtime_ns, row.digest] = row.id
    return found


def _row(said: VersionName, arrival: Arrival, each: NewEntry) -> dict[str, Any]:
    origin = each.origin if _is_arrival(each.origin) else {}
    source, path, size, mtime_ns, digest = arrival
    at = float(origin.get("arrived_at", said.created_at))
    return {
        "source": source,
        "path": path,
        "size": size,
        "mtime_ns": mtime_ns,
        "digest": digest,
        "seen_at": at,
        "settled_at": at,
        "taken_at": at,
        "decision": "accepted",
        "type": origin.get("type"),
        "dataset": said.dataset,
        "version": said.number,
        "entry_path": each.path,
        "who": str(origin.get("who", "")),
        "facts": {name: value for name, value in origin.items() if name not in _KNOWN},
    }
