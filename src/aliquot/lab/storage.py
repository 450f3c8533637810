"""What takes how many bytes, all of it together."""

from dataclasses import dataclass
from typing import Any

from aliquot.datasets.sweep import sweepable
from aliquot.datasets.usage import DatasetUse, StoreUse, dataset_uses, store_use
from aliquot.db import Catalogue
from aliquot.lab.lab import Lab


@dataclass(frozen=True, slots=True)
class Storage:
    """What each dataset and the store as a whole take, the largest dataset first."""

    uses: list[DatasetUse]
    whole: StoreUse


def storage(catalogue: Catalogue) -> Storage:
    """Add up what takes room; costs one pass over all entries and blobs."""
    with catalogue.read() as connection:
        uses, whole = dataset_uses(connection, None), store_use(connection)
    return Storage(sorted(uses, key=lambda each: -each.stored), whole)


@dataclass(frozen=True, slots=True)
class Room:
    """What each dataset and the store as a whole take, and the bytes that a sweep would free by and by."""

    datasets: list[DatasetUse]
    store: StoreUse
    sweepable: int

    def document(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "datasets": [each.document() for each in self.datasets],
            "store": self.store.document(),
            "sweepable": self.sweepable,
        }


def room(lab: Lab) -> Room:
    """Add up what takes room now; costs one pass over all entries and blobs, and one for what nothing needs."""
    with lab.catalogue.read() as connection:
        uses, whole = dataset_uses(connection), store_use(connection)
    return Room(uses, whole, sweepable(lab.catalogue, lab.config.retention))
