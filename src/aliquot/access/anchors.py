"""Anchors: the audit's newest digest, written into the store now and then, beyond the reach of the catalogue."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from aliquot.access.audit import Head, head
from aliquot.blobs import Store
from aliquot.blobs.layout import AUDIT, anchor_key
from aliquot.db import Catalogue
from aliquot.model.digest import canonical
from aliquot.model.errors import Conflict, Missing


class Anchor(NamedTuple):
    """What the store remembers of the audit: that row `number` had this digest; `digest` None: it cannot be read."""

    number: int
    digest: str | None
    key: str


def anchor(catalogue: Catalogue, store: Store) -> Head:
    """Write the audit's newest digest into the store, if it is not there, and give it.

    An anchor that says something else of the same row is `Conflict`: the audit is not the one that it was.
    """
    with catalogue.read() as connection:
        newest = head(connection)
    if not newest.number:
        return newest
    key = anchor_key(newest.number)
    with suppress(Missing):
        there = _read(store, key)
        if there.digest != newest.digest:
            words = (
                f"The store remembers another row {newest.number} of the audit than the catalogue has; "
                "`aliquot admin audit verify` says where they part."
            )
            raise Conflict("audit-behind-store", words, number=newest.number)
        return newest
    document = {"number": newest.number, "digest": newest.digest, "at": time.time()}
    store.objects.replace_object(key, canonical(document))
    return newest


def anchors(store: Store) -> Iterator[Anchor]:
    """Go through the anchors that the store has, by number."""
    for key, _ in store.objects.list_keys(AUDIT):
        yield _read(store, key)


def _read(store: Store, key: str) -> Anchor:
    data = store.objects.read_object(key)
    name = key.rpartition("/")[2].removesuffix(".json")
    number = int(name) if name.isdecimal() else 0
    try:
        value = json.loads(data)
        if value["number"] == number:
            return Anchor(number, str(value["digest"]), key)
    except (ValueError, KeyError, TypeError):
        pass
    return Anchor(number, None, key)
