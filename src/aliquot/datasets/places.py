"""Where the blobs that the catalogue knows lie."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection, select, text, update

from aliquot.db import Catalogue
from aliquot.db.rows import among, chunks, insert_rows, json_text
from aliquot.db.tables import blob
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, Digest
from aliquot.model.errors import Conflict, Damaged, Missing

_AT_ONCE = 5_000
_EACH_OF = """SELECT blob.digest, blob.size, blob.pack, blob."offset" FROM json_each(:digests) AS wanted
CROSS JOIN blob ON blob.digest = wanted.value WHERE blob.{there} IS NULL"""


def record(connection: Connection, locations: Iterable[Location]) -> None:
    """Note where blobs lie; the first place of each stays, unless `sweep` has marked or removed what lay there.

    In one order everywhere, so that writers of equal blobs wait for each other at most once.
    """
    rows = {each.digest: each for each in locations}
    ordered = [rows[digest] for digest in sorted(rows)]
    insert_rows(connection, blob, ("digest", "size", "pack", "offset", "adopted"), ordered, missing=True)
    _own(connection, [digest for digest, _, pack, _, adopted in ordered if not (pack or adopted)])
    if ordered and is_any_doomed(connection):
        _call_back(connection, rows)


def _own(connection: Connection, digests: Sequence[Digest]) -> None:
    """Note of blobs that were adopted once, and have been stored now, that the store has them."""
    for part in chunks(digests, _AT_ONCE):
        connection.execute(
            update(blob).where(among(connection, blob.c.digest, part), blob.c.adopted.is_(True)).values(adopted=False)
        )


def is_any_doomed(connection: Connection) -> bool:
    """Say whether `sweep` has marked or removed anything that a row still tells of."""
    return connection.execute(select(blob.c.digest).where(blob.c.doomed_at.isnot(None)).limit(1)).first() is not None


def _call_back(connection: Connection, rows: Mapping[Digest, Location]) -> None:
    """Take back what was marked or removed: it has just been stored again, and somebody is about to name it."""
    doomed: list[str] = []
    for part in chunks(list(rows), _AT_ONCE):
        marked = select(blob.c.digest).where(blob.c.doomed_at.isnot(None), among(connection, blob.c.digest, part))
        doomed += connection.execute(marked).scalars()
    for digest in sorted(doomed):
        _, _, pack, offset, adopted = rows[Digest(digest)]
        connection.execute(
            update(blob)
            .where(blob.c.digest == digest, blob.c.doomed_at.isnot(None))
            .values(pack=pack, offset=offset, adopted=adopted, doomed_at=None, swept_at=None)
        )


def hold(connection: Connection, digests: Collection[Digest]) -> None:
    """Take back from the doomed what a version is about to list without storing it anew; `Conflict` when it is gone.

    A sweep that looks at the same moment waits for the end of this transaction, or this for the sweep's.
    """
    if not digests or not is_any_doomed(connection):
        return
    for part in chunks(list(digests), _AT_ONCE):
        wanted = (among(connection, blob.c.digest, part), blob.c.doomed_at.isnot(None))
        connection.execute(update(blob).where(*wanted, blob.c.swept_at.is_(None)).values(doomed_at=None))
    if gone := swept(connection, digests):
        raise Conflict(
            "blobs-just-swept",
            f"{len(gone)} files were swept while they were being published; look again.",
            files=len(gone),
        )


def find(connection: Connection, digests: Collection[Digest], *, staying: bool = False) -> dict[Digest, Location]:
    """Say where blobs lie; those that are not known or swept are left out, with `staying` those that will be, too."""
    found: dict[Digest, Location] = {}
    there = blob.c.doomed_at if staying else blob.c.swept_at
    columns = (blob.c.digest, blob.c.size, blob.c.pack, blob.c.offset)
    for part in chunks(list(digests), _AT_ONCE):
        if connection.dialect.name == "sqlite":
            # Its CROSS JOIN goes through what is asked for, always; IN would first make a table of that, which costs as
            # much as the search.
            wanted = text(_EACH_OF.format(there=there.name))
            rows = connection.execute(wanted, {"digests": json_text(part)})
        else:
            rows = connection.execute(select(*columns).where(among(connection, blob.c.digest, part), there.is_(None)))
        for digest, size, pack, offset in rows:
            found[digest] = Location(digest, size, pack, offset)
    return found


def adopted_among(connection: Connection, digests: Collection[Digest]) -> set[Digest]:
    """Say which blobs lie where they were adopted from, and not in the store."""
    found: set[Digest] = set()
    for part in chunks(list(digests), _AT_ONCE):
        query = select(blob.c.digest).where(among(connection, blob.c.digest, part), blob.c.adopted.is_(True))
        found.update(Digest(each) for each in connection.execute(query).scalars())
    return found


def swept(connection: Connection, digests: Collection[Digest]) -> set[Digest]:
    """Say which blobs `sweep` has removed."""
    gone: set[Digest] = set()
    if is_any_doomed(connection):
        for part in chunks(list(digests), _AT_ONCE):
            removed = select(blob.c.digest).where(among(connection, blob.c.digest, part), blob.c.swept_at.isnot(None))
            gone.update(Digest(digest) for digest in connection.execute(removed).scalars())
    return gone


def require(connection: Connection, digests: Collection[Digest]) -> Mapping[Digest, Location]:
    """Say where blobs lie; one that was swept is `Missing`, one not known `Damaged`. The empty blob needs no place."""
    found = find(connection, digests)
    for digest in digests:
        if digest not in found:
            if digest != EMPTY:
                if swept(connection, [digest]):
                    raise Missing(
                        "blob-swept",
                        f"The bytes of {digest} were swept to free space; `aliquot run recompute RUN` makes the "
                        "outputs of a run again.",
                        digest=digest,
                    )
                raise Damaged("blob-unknown", f"The catalogue does not know where {digest} lies.", digest=digest)
            found[digest] = Location(EMPTY, 0)
    return found


def known_in(catalogue: Catalogue) -> Callable[[Collection[Digest]], Mapping[Digest, Location]]:
    """Give the question that a batch asks before it writes a pack."""

    def known(digests: Collection[Digest]) -> Mapping[Digest, Location]:
        with catalogue.read() as connection:
            return find(connection, digests, staying=True)

    return known


def moved_in(catalogue: Catalogue) -> Callable[[Collection[tuple[Location, Location]]], None]:
    """Give what a batch tells when it has written blobs again whose old place was damaged."""

    def moved(moves: Collection[tuple[Location, Location]]) -> None:
        catalogue.repeat(lambda connection: move(connection, moves))

    return moved


def move(connection: Connection, moves: Collection[tuple[Location, Location]]) -> None:
    """Note of blobs that were damaged where they lay that they lie elsewhere now."""
    for old, new in moves:
        same = (blob.c.digest == old.digest, blob.c.pack.is_not_distinct_from(old.pack))
        connection.execute(update(blob).where(*same).values(pack=new.pack, offset=new.offset))
