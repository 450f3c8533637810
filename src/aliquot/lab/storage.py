"""What takes how many bytes, all of it together."""

from dataclasses import dataclass

from aliquot.datasets.usage import DatasetUse, StoreUse, dataset_uses, store_use
from aliquot.db import Catalogue


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
