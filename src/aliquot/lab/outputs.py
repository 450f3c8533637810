"""What a run gave: its outputs, whether they were published or not, and a copy of them in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from aliquot.blobs.new_folder import new_folder
from aliquot.datasets import places
from aliquot.engine.datums import File
from aliquot.engine.pipelines import by_id
from aliquot.engine.plan import made_by
from aliquot.lab.lab import Lab
from aliquot.model.digest import Digest
from aliquot.model.errors import Conflict, Damaged, Unavailable


def outputs(connection: Connection, row: Row[*tuple[Any, ...]]) -> dict[str, list[File]]:
    """Give the files of each output of a run, by the output's name; tasks that failed gave none."""
    pipeline = by_id(connection, row.definition_id).pipeline
    return {name: made_by(connection, row.id, each.from_) for name, each in pipeline.outputs.items()}


def write_outputs(lab: Lab, files: Mapping[str, list[File]], target: Path) -> int:
    """Write outputs to a new or empty folder, each in a folder of its name, all or nothing; count the files."""
    target = target.absolute()
    words = f"{target} is there already and holds something; name a new folder."
    with lab.catalogue.read() as connection:
        where = places.require(connection, list({file.digest for each in files.values() for file in each}))
    try:
        with new_folder(target, Conflict("target-not-empty", words, path=str(target))) as draft:
            for name, several in files.items():
                for file in several:
                    path = draft / name / file.path.removeprefix("/")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    lab.store.fetch(where[file.digest], path)
                    _require_equal(path, file)
    except OSError as error:
        raise Unavailable(
            "target-unavailable", f"{target} cannot be written ({error.strerror}).", path=str(target)
        ) from error
    return sum(len(each) for each in files.values())


def output_bytes(lab: Lab, digest: str | None) -> bytes:
    """Give what an attempt wrote to stdout or stderr, by its digest; empty when there is none."""
    if not digest:
        return b""
    with lab.catalogue.read() as connection:
        if places.swept(connection, [Digest(digest)]):
            return b"[swept to free space: only the last lines are kept, with the task]\n"
        location = places.require(connection, [Digest(digest)])[Digest(digest)]
    return lab.store.read(location)


def _require_equal(path: Path, file: File) -> None:
    from aliquot.blobs.objects import digest_file

    if digest_file(path)[0] != file.digest:
        raise Damaged(
            "blob-damaged",
            f"The bytes of {file.path} are not those that were stored; `aliquot admin verify` says what else is.",
            path=file.path,
            digest=file.digest,
        )
