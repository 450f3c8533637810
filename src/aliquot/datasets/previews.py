"""What is kept of files to show them: the parts of previews, by the digests of the files."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select, update

from aliquot.datasets import places
from aliquot.db.rows import insert_missing
from aliquot.db.tables import blob, preview
from aliquot.model.blob import Location
from aliquot.model.digest import Digest

_DAY = 86_400.0


class Kept(NamedTuple):
    """Where the parts of a preview lie; `stale` says that nobody has looked within a day, as far as is noted."""

    parts: dict[str, Location]
    stale: bool = False


def find_parts(connection: Connection, source: Digest, beside: str, kind: str, code: int) -> Kept:
    """Say where the parts of a preview lie; empty when it was never made, by other code, or when a part was swept."""
    wanted = (*_of(source, beside, kind), preview.c.code == code)
    rows = connection.execute(select(preview).where(*wanted)).all()
    where = places.find(connection, [Digest(row.digest) for row in rows])
    if not all(row.digest in where for row in rows):
        return Kept({})
    stale = any(row.used_at < time.time() - _DAY for row in rows)
    return Kept({row.part: where[Digest(row.digest)] for row in rows}, stale)


def keep_parts(
    connection: Connection, source: Digest, beside: str, kind: str, code: int, parts: Mapping[str, Location]
) -> None:
    """Note a preview that was just stored, in place of what was there before."""
    places.record(connection, parts.values())
    connection.execute(delete(preview).where(*_of(source, beside, kind)))
    rows = [
        {
            "source": source,
            "beside": beside,
            "kind": kind,
            "part": part,
            "code": code,
            "digest": location.digest,
            "used_at": time.time(),
        }
        for part, location in sorted(parts.items())
    ]
    insert_missing(connection, preview, rows)


def touch(connection: Connection, source: Digest, beside: str, kind: str) -> None:
    """Note that somebody looks at it now."""
    connection.execute(update(preview).where(*_of(source, beside, kind)).values(used_at=time.time()))


def forget_gone(connection: Connection) -> None:
    """Forget previews of which a part was swept."""
    there = select(blob.c.digest).where(blob.c.digest == preview.c.digest, blob.c.swept_at.is_(None)).exists()
    connection.execute(delete(preview).where(~there))


def _of(source: Digest, beside: str, kind: str) -> tuple[ColumnElement[bool], ...]:
    return preview.c.source == source, preview.c.beside == beside, preview.c.kind == kind
