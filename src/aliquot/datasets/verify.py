"""Verifying: whether all that was stored is still what was written."""

from collections.abc import Iterator

from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.blobs.layout import VERSIONS
from aliquot.datasets.damage import Damage, Kind, Progress, VerifyReport
from aliquot.datasets.names import named
from aliquot.datasets.read import find_dataset
from aliquot.datasets.verify_blobs import BlobReader
from aliquot.datasets.verify_chain import ChainReader
from aliquot.db import Catalogue
from aliquot.db.tables import dataset as datasets


def verify(catalogue: Catalogue, store: Store, dataset: str | None, progress: Progress | None = None) -> VerifyReport:
    """Read all bytes of a dataset's versions again and follow its chain of versions; without a name, of all datasets.

    Without a name, all other bytes that the catalogue knows are read as well: what quarantine holds, outputs and logs
    of runs, what definitions bundle, files as they came before they were split.

    Changes nothing and raises nothing for damage: the report names each. Memory stays within a pack and a page.
    """
    store_names = {name for name, _ in named(store)} if dataset is None else set[str]()
    with catalogue.read() as connection:
        if dataset is None:
            rows = connection.execute(select(datasets.c.name, datasets.c.id).order_by(datasets.c.name)).all()
            chosen = [(str(row.name), int(row.id)) for row in rows]
        else:
            chosen = [(dataset, int(find_dataset(connection, dataset).id))]
    reader = BlobReader(catalogue, store, chosen[0][1] if dataset is not None else None, progress)
    chains = [ChainReader(catalogue, store, name, number) for name, number in chosen]
    damages = [*reader.damages(), *(each for chain in chains for each in chain.damages())]
    damages += _unknown(store_names - {name for name, _ in chosen})
    return VerifyReport(
        datasets=len(chosen),
        versions=sum(chain.versions for chain in chains),
        files=sum(chain.files for chain in chains),
        blobs=reader.progress.blobs,
        bytes=reader.progress.bytes,
        damages=tuple(damages),
    )


def _unknown(names: set[str]) -> Iterator[Damage]:
    for name in sorted(names):
        yield Damage(
            Kind.NAME,
            (name,),
            1,
            f"{VERSIONS}{name}/",
            "The store names a dataset that the catalogue lacks: the catalogue is older than the store. "
            "Restore the catalogue from a newer backup, or rebuild it with `aliquot admin rebuild`.",
        )
