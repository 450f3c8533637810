"""Two sources that deliver one name into one dataset: the second's file must not replace the first's without a word."""

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, select

from aliquot.db.rows import among, chunks
from aliquot.db.tables import dataset, entry, receipt
from aliquot.model.lab_config import Source

_AT_ONCE = 5_000


def rivals_of(name: str, sources: Mapping[str, Source]) -> dict[str, frozenset[str]]:
    """Give, for each dataset into which a source delivers, the other sources that deliver into it."""
    found: dict[str, frozenset[str]] = {}
    for into in {rule.into for rule in sources[name].accept}:
        others = frozenset(
            other
            for other, source in sources.items()
            if other != name and any(rule.into == into for rule in source.accept)
        )
        if others:
            found[into] = others
    return found


def delivered_by_rivals(
    connection: Connection, into: str, rivals: Collection[str], files: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Give the source of each file, of (path, digest), that stands in a dataset with other content from a rival."""
    digests = dict(files)
    query = (
        select(entry.c.path, entry.c.digest, receipt.c.source)
        .join(dataset, dataset.c.id == entry.c.dataset_id)
        .join(receipt, receipt.c.id == entry.c.receipt_id)
        .where(dataset.c.name == into, entry.c.removed.is_(None), receipt.c.source.in_(sorted(rivals)))
    )
    return {
        row.path: row.source
        for part in chunks(list(digests), _AT_ONCE)
        for row in connection.execute(query.where(among(connection, entry.c.path, part)))
        if row.digest != digests[row.path]
    }
