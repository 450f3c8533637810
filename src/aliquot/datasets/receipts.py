"""Receipts out of what deltas say of their files' origins."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast

from sqlalchemy import Connection, insert, select, update

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
    adds, deliveries = _deliveries(connection, said, adds)
    arrivals = {_arrival(each, each.origin): each for each in adds if _is_arrival(each.origin)}
    if not arrivals:
        return list(adds), deliveries
    before = _known(connection, arrivals)
    rows = [_row(said, arrival, each) for arrival, each in arrivals.items() if arrival not in before]
    insert_missing(connection, receipt, rows)
    known = _known(connection, arrivals)
    return [
        each._replace(receipt_id=known[_arrival(each, each.origin)]) if _is_arrival(each.origin) else each
        for each in adds
    ], deliveries + len(rows)


def _deliveries(connection: Connection, said: VersionName, adds: Sequence[NewEntry]) -> tuple[Sequence[NewEntry], int]:
    """Write the receipts of files that came together, or add these files to them, and count the new ones."""
    together: dict[tuple[str, float], list[NewEntry]] = {}
    for each in adds:
        if origin := _together(each.origin):
            together.setdefault(origin, []).append(each)
    if not together:
        return adds, 0
    new = 0
    receipts: dict[tuple[str, float], int] = {}
    for origin, files in together.items():
        found, is_new = _delivery(connection, said, *origin)
        size = sum(each.size for each in files)
        more = {"files": receipt.c.files + len(files), "size": receipt.c.size + size}
        connection.execute(update(receipt).where(receipt.c.id == found).values(more))
        receipts[origin] = found
        new += is_new
    owned = [(each, _together(each.origin)) for each in adds]
    return [each._replace(receipt_id=receipts[origin]) if origin else each for each, origin in owned], new


def _delivery(connection: Connection, said: VersionName, source: str, at: float) -> tuple[int, bool]:
    """Give the receipt of a delivery, with as many files as were counted by now, and whether it is new."""
    same = (receipt.c.source == source, receipt.c.digest == said.delta, receipt.c.seen_at == at)
    if found := connection.execute(select(receipt.c.id).where(*same)).scalar():
        return found, False
    row = _receipt((source, "/", 0, 0, said.delta), said, at) | {"files": 0}
    return connection.execute(insert(receipt).values(row).returning(receipt.c.id)).scalar_one(), True


def _together(origin: object) -> tuple[str, float] | None:
    """Give source and time of a file that has its receipt together with others: its own path is not said."""
    if not isinstance(origin, Mapping):
        return None
    said = cast("Mapping[str, Any]", origin)
    return (said["source"], float(said["arrived_at"])) if set(said) == {"source", "arrived_at"} else None


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
    return _receipt(arrival, said, float(origin.get("arrived_at", said.created_at))) | {
        "type": origin.get("type"),
        "entry_path": each.path,
        "who": str(origin.get("who", "")),
        "facts": {name: value for name, value in origin.items() if name not in _KNOWN},
    }


def _receipt(arrival: Arrival, said: VersionName, at: float) -> dict[str, Any]:
    source, path, size, mtime_ns, digest = arrival
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
        "dataset": said.dataset,
        "version": said.number,
        "who": "",
        "facts": {},
    }
