"""Waking sources from outside: messages are obeyed, never believed.

Whoever gets a message (a queue's reader, `POST /events`, Event Grid's webhook) has `wake_s3.named_in` or
`wake_azure.named_in` say which objects it names, `sources_of` which sources those concern, and calls `wake`: every
daemon of the lab looks at these sources within a second. For Event Grid's handshake there is
`wake_azure.validation_code`. What has really arrived, a listing says.
"""

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, insert, select, update

from aliquot.db import Catalogue
from aliquot.db.tables import source as table
from aliquot.intake.bucket_url import is_bucket, place_of
from aliquot.intake.wake_s3 import Named
from aliquot.model.lab_config import Source


def sources_of(named: Iterable[Named], sources: Mapping[str, Source]) -> dict[str, set[str]]:
    """Give the sources that objects concern, by name, each with the paths that the objects would have there."""
    places = {name: place_of(source.watch) for name, source in sources.items() if is_bucket(source.watch)}
    found: dict[str, set[str]] = {}
    for each in named:
        for name, (scheme, bucket, prefix) in places.items():
            below = f"{prefix}/" if prefix else ""
            if (scheme, bucket) == (each.scheme, each.bucket) and each.key.startswith(below):
                found.setdefault(name, set()).add("/" + each.key[len(below) :])
    return found


def wake(catalogue: Catalogue, sources: Mapping[str, Source], names: Collection[str]) -> None:
    """Have these sources looked at by whoever looks after the lab."""
    if names:
        catalogue.repeat(lambda connection: raise_wakes(connection, set(names) & sources.keys()))


def raise_wakes(connection: Connection, names: Collection[str]) -> None:
    """Have sources looked at, in a transaction that says more."""
    for name in sorted(names):
        raised = update(table).where(table.c.name == name).values(woken=table.c.woken + 1)
        if not connection.execute(raised).rowcount:
            row = {"name": name, "watch": "", "passed": [], "woken": 1}
            connection.execute(insert(table).values(row))


def woken(connection: Connection) -> dict[str, int]:
    """Say how often each source has been woken; those never woken may be left out."""
    return {row.name: row.woken for row in connection.execute(select(table.c.name, table.c.woken))}
