"""Bytes: content-addressed, written once, over any object store."""

from aliquot.blobs.batch import Batch
from aliquot.blobs.store import Store, open_store

__all__ = ["Batch", "Store", "open_store"]
