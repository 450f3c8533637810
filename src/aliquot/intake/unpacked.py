"""Archives whose members enter a dataset: stored one by one, in a folder of the archive's name."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from aliquot.blobs import Batch
from aliquot.blobs.pack import SMALL
from aliquot.db import Catalogue
from aliquot.db.tables import dataset, entry, receipt
from aliquot.formats.archive import contents
from aliquot.intake.decided import Decided, Part

_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip")


def folder_for(path: str) -> str:
    """Give the folder into which an archive's members go: its path without the ending."""
    ending = next((each for each in _ENDINGS if path.lower().endswith(each)), "")
    bare = path[: len(path) - len(ending)]
    return path if bare.endswith("/") else bare


def store_members(archive: Path, path: str, batch: Batch, folder: Path) -> tuple[Part, ...]:
    """Store an archive's files, of which one at a time is written to `folder`; what is wrong with it is `Invalid`."""
    below = folder_for(path)
    parts: list[Part] = []
    spool = folder / "member"
    for name, size, blocks in contents(archive):
        if size < SMALL:
            blob = batch.add_bytes(b"".join(blocks))
        else:
            with spool.open("wb") as file:
                file.writelines(blocks)
            blob = batch.add_file(spool)
            spool.unlink()
        parts.append(Part(f"{below}/{name}", blob.digest, blob.size))
    return tuple(parts)


def gone_members(catalogue: Catalogue, into: str, group: Sequence[Decided]) -> list[str]:
    """List what earlier archives of the same paths brought into a dataset, and what these do not hold any more."""
    gone: list[str] = []
    for each in group:
        if each.members is None:
            continue
        archive, kept = each.parts[0].path, {part.path for part in each.members}
        query = (
            select(entry.c.path)
            .join(dataset, dataset.c.id == entry.c.dataset_id)
            .join(receipt, receipt.c.id == entry.c.receipt_id)
            .where(dataset.c.name == into, entry.c.removed.is_(None), receipt.c.path == archive)
            .where(entry.c.path.startswith(folder_for(archive) + "/", autoescape=True))
        )
        with catalogue.read() as connection:
            gone += [path for path in connection.execute(query).scalars() if path not in kept]
    return gone
