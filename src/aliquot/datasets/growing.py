"""The first version of a dataset, whose rows are written while its last files are still being stored."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from aliquot.blobs import Store
from aliquot.datasets.clash import require_no_clash
from aliquot.datasets.commit import (
    Change,
    Committed,
    Draft,
    advance,
    begin,
    name_versions,
    require_paths,
    write_version,
)  # fmt: skip
from aliquot.datasets.delta import DeltaWriter, Header, NewEntry, version_digest, write_delta
from aliquot.datasets.names import is_named
from aliquot.db import Catalogue
from aliquot.db.rows import insert_rows
from aliquot.db.tables import entry
from aliquot.model.errors import Conflict, Unavailable

_PATIENCE = 2.0
"""Seconds that files may be waited for while the catalogue is kept from others."""

_COLUMNS = ("path", "digest", "size")


@dataclass(frozen=True, slots=True)
class Growing:
    """A change to a dataset that has no version yet, and files of one receipt that are still coming.

    The adds of the change have come already. `more` gives further ones within some seconds, none when all have come,
    and None when they take longer. `begun` writes the receipt and gives its id; `meanwhile` writes what else it can
    after each of them; `ended` completes all of it when the blobs are durable, which `stored` of the change sees to.
    """

    change: Change
    more: Callable[[float], Sequence[NewEntry] | None]
    begun: Callable[[Connection], int]
    meanwhile: Callable[[Connection], None]
    ended: Callable[[Connection, int, Draft], None]


class _TooLateError(Exception):
    """Files take longer than the catalogue can be kept from others."""


def commit_growing(
    catalogue: Catalogue,
    store: Store,
    growing: Growing,
    beside: Callable[[Connection, Committed], None] | None = None,
) -> Committed | None:
    """Commit the first version; None, and nothing is done, if there is one already, or the files come too slowly.

    `beside` joins the transaction, as its last part.
    """
    change = growing.change
    row = begin(catalogue, change)
    if row.head or is_named(store, change.dataset, 1):
        return None
    try:
        with catalogue.write() as connection:
            advance(connection, change, row.id, 1)
            done = Committed(change.dataset, 1, _write(connection, store, growing, row.id), 0, new=True)
            if beside:
                beside(connection, done)
    except _TooLateError:
        return None
    except Conflict as error:
        if error.code not in {"dataset-moved", "catalogue-busy"}:
            raise
        return None
    # The version is there already: a name that cannot be written now is written with the next commit's.
    with suppress(Unavailable, Conflict):
        name_versions(catalogue, store)
    return done


def _write(connection: Connection, store: Store, growing: Growing, dataset_id: int) -> int:
    """Write all rows of the version, and say how many files it has."""
    change = growing.change
    receipt_id = growing.begun(connection)
    same = {"dataset_id": dataset_id, "added": 1, "receipt_id": receipt_id}
    header = Header(change.dataset, 1, "", change.provenance, change.parked)
    adds: list[NewEntry] = []
    with _Beside(header) as beside:
        for part in _parts(growing):
            ordered = sorted(part, key=itemgetter(0))
            beside.add(ordered)
            require_paths([each.path for each in ordered])
            insert_rows(connection, entry, _COLUMNS, [each[:3] for each in ordered], same=same)
            growing.meanwhile(connection)
            adds += ordered
        require_no_clash(connection, None, {each.path for each in adds}, ())
        delta = store.put_bytes(beside.finish() or write_delta(header, adds, ()))
    if change.stored:
        change.stored()
    size = sum([each.size for each in adds])
    digest = version_digest("", delta.digest, change.provenance)
    draft = Draft(change, dataset_id, 1, "", digest, delta, tuple(adds), (), (), len(adds), size)
    growing.ended(connection, receipt_id, draft)
    write_version(connection, draft)
    return len(adds)


class _Beside:
    """Writes the delta in a thread of its own, as long as its files come in order."""

    def __init__(self, header: Header) -> None:
        self._writer = DeltaWriter(header)
        self._thread = ThreadPoolExecutor(1, "delta")
        self._written: list[Future[None]] = []
        self._last = ""
        self._in_order = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, ordered: Sequence[NewEntry]) -> None:
        """Write files, if they come after all that came before."""
        self._in_order = self._in_order and self._last < ordered[0].path
        if self._in_order:
            self._last = ordered[-1].path
            self._written.append(self._thread.submit(self._writer.add, ordered))

    def finish(self) -> bytes | None:
        """Give the delta; None when the files were not in order."""
        if not self._in_order:
            return None
        for each in self._written:
            each.result()
        return self._writer.finish()


def _parts(growing: Growing) -> Iterator[Sequence[NewEntry]]:
    if growing.change.adds:
        yield growing.change.adds
    patience = _PATIENCE
    while True:
        began = time.monotonic()
        part = growing.more(patience)
        patience = max(0.0, patience - (time.monotonic() - began))
        if part is None:
            raise _TooLateError
        if not part:
            return
        yield part
