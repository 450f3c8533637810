"""Taking files out of a dataset: a new version without them, while the old ones keep them."""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection

from aliquot.blobs import Store
from aliquot.datasets.commit import Change, Committed, commit
from aliquot.datasets.read import entries, resolve
from aliquot.db import Catalogue
from aliquot.model.errors import Invalid, Missing
from aliquot.model.reference import Reference


def remove_paths(
    catalogue: Catalogue,
    store: Store,
    of: str,
    paths: Sequence[str],
    who: str,
    because: str,
    beside: Callable[[Connection, Committed], None] | None = None,
) -> Committed:
    """Commit a version of the dataset `of` without these files and folders; one that is not there is `Missing`.

    `beside` joins the transaction.
    """
    if not paths:
        raise Invalid("paths-absent", "Name at least one file or folder to remove.", dataset=of)
    gone = _expand(catalogue, of, paths)
    provenance = {"cause": "removal", "who": who, "because": because}
    return commit(catalogue, store, Change(of, (), gone, provenance), beside)


def _expand(catalogue: Catalogue, of: str, paths: Iterable[str]) -> list[str]:
    gone: list[str] = []
    with catalogue.read() as connection:
        newest = resolve(connection, Reference(of))
        for path in paths:
            below = path if path.startswith("/") else "/" + path
            found = [each.path for each in entries(connection, newest, below=below)]
            if not found:
                raise Missing(
                    "file-missing",
                    f"{newest} has no file or folder {path}; nothing was removed.",
                    dataset=of,
                    version=newest.number,
                    path=path,
                )
            gone += found
    return gone
