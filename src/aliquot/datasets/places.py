"""Where the blobs that the catalogue knows lie."""

from collections.abc import Callable, Collection, Iterable, Mapping

from sqlalchemy import Connection, select, update

from aliquot.db import Catalogue
from aliquot.db.rows import among, chunks, insert_rows
from aliquot.db.tables import blob
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, Digest
from aliquot.model.errors import Damaged

_AT_ONCE = 5_000


def record(connection: Connection, locations: Iterable[Location]) -> None:
    """Note where blobs lie; the first place of each stays."""
    rows = {each.digest: (each.digest, each.size, each.pack, each.offset) for each in locations}
    insert_rows(connection, blob, ("digest", "size", "pack", "offset"), list(rows.values()), missing=True)


def find(connection: Connection, digests: Collection[Digest]) -> dict[Digest, Location]:
    """Say where blobs lie; the ones that are not known are left out."""
    found: dict[Digest, Location] = {}
    for part in chunks(list(digests), _AT_ONCE):
        for row in connection.execute(select(blob).where(among(connection, blob.c.digest, part))):
            found[Digest(row.digest)] = Location(Digest(row.digest), row.size, row.pack, row.offset)
    return found


def require(connection: Connection, digests: Collection[Digest]) -> Mapping[Digest, Location]:
    """Say where blobs lie; one that is not known is `Damaged`. The empty blob needs no place."""
    found = find(connection, digests)
    for digest in digests:
        if digest not in found:
            if digest != EMPTY:
                raise Damaged("blob-unknown", f"The catalogue does not know where {digest} lies.", digest=digest)
            found[digest] = Location(EMPTY, 0)
    return found


def known_in(catalogue: Catalogue) -> Callable[[Collection[Digest]], Mapping[Digest, Location]]:
    """Give the question that a batch asks before it writes a pack."""

    def known(digests: Collection[Digest]) -> Mapping[Digest, Location]:
        with catalogue.read() as connection:
            return find(connection, digests)

    return known


def moved_in(catalogue: Catalogue) -> Callable[[Collection[tuple[Location, Location]]], None]:
    """Give what a batch tells when it has written blobs again whose old place was damaged."""

    def moved(moves: Collection[tuple[Location, Location]]) -> None:
        def work(connection: Connection) -> None:
            for old, new in moves:
                same = (blob.c.digest == old.digest, blob.c.pack.is_not_distinct_from(old.pack))
                connection.execute(update(blob).where(*same).values(pack=new.pack, offset=new.offset))

        catalogue.repeat(work)

    return moved
