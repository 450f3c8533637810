"""What tests of datasets need: files put and committed, by their text."""

from collections.abc import Mapping, Sequence
from typing import Any

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.commit import Change, Committed, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.read import entries, resolve
from aliquot.db import Catalogue
from aliquot.model.reference import parse_reference


def put(
    catalogue: Catalogue, store: Store, files: Mapping[str, bytes | str], **origin: Mapping[str, Any] | None
) -> list[NewEntry]:
    """Store contents by path, small ones packed together, and note where they lie."""
    batch = store.batch(places.known_in(catalogue))
    added = [
        NewEntry(path, blob.digest, blob.size, **origin)
        for path, content in files.items()
        for blob in [batch.add_bytes(content.encode() if isinstance(content, str) else content)]
    ]
    with catalogue.write() as connection:
        places.record(connection, batch.flush())
    return added


def add(
    catalogue: Catalogue,
    store: Store,
    dataset: str,
    files: Mapping[str, bytes | str],
    removes: Sequence[str] = (),
    **provenance: Any,
) -> Committed:
    """Commit contents by path."""
    return commit(catalogue, store, Change(dataset, put(catalogue, store, files), removes, provenance))


def contents(catalogue: Catalogue, store: Store, reference: str) -> dict[str, str]:
    """Read a version back: text by path."""
    with catalogue.read() as connection:
        listed = list(entries(connection, resolve(connection, parse_reference(reference))))
        locations = places.require(connection, [each.digest for each in listed])
    return {each.path: store.read(locations[each.digest]).decode() for each in listed}
