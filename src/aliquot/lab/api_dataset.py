"""A dataset from Python: its versions, its files, and taking files in."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from aliquot.datasets import history, places
from aliquot.datasets.commit import Change, Committed, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.history import VersionLine
from aliquot.datasets.read import Version, entries, resolve
from aliquot.intake.decided import Taken
from aliquot.lab import acts_data
from aliquot.lab.accepted import types_for
from aliquot.lab.api_files import FileSet, checkout_of
from aliquot.lab.belonging import may_fill
from aliquot.lab.lab import Lab
from aliquot.model.reference import DEFAULT_PROJECT, LATEST, Reference, require_name


class Dataset:
    """A named line of files."""

    def __init__(self, parts: Lab, name: str) -> None:
        self._parts = parts
        self.name = require_name("dataset", name)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    def versions(self) -> list[VersionLine]:
        """List the versions, newest first; `Missing` when there is no such dataset."""
        with self._parts.catalogue.read() as connection:
            return history.log(connection, self.name)

    def version(self, version: int | str = LATEST) -> Version:
        """Give one version by its number or tag, the newest by default; `Missing` says what there is."""
        with self._parts.catalogue.read() as connection:
            return resolve(connection, Reference(self.name, str(version)))

    def files(self, version: int | str = LATEST, below: str | None = None) -> FileSet:
        """Give the files of a version, or those of one folder in it."""
        with self._parts.catalogue.read() as connection:
            of = resolve(connection, Reference(self.name, str(version)))
            found = {each.path: each for each in entries(connection, of, below)}
        return FileSet(checkout_of(self._parts), found)

    def ingest(self, *paths: str | Path, type: str | None = None, unchecked: bool = False) -> Taken:  # noqa: A002  # as the command's option
        """Take files in, or folders with what is below them, checked as `aliquot ingest` does.

        What its check refuses is in `quarantined` of the answer, not an error.
        """
        types = [] if unchecked else types_for(self._parts, self.name, type)
        parts = self._parts
        return acts_data.ingest(parts, parts.by, self.name, [Path(each) for each in paths], types)[0]

    def commit(self, files: Mapping[str, bytes | Path], remove: Iterable[str] = (), because: str = "") -> Committed:
        """Make the next version: `files` by their path in it, as bytes or as a local file; `remove` are taken out.

        Nothing is checked: for what a type should judge, there is `ingest`.
        """
        parts = self._parts
        batch = parts.store.batch(places.known_in(parts.catalogue), places.moved_in(parts.catalogue))
        adds: list[NewEntry] = []
        for path, content in files.items():
            blob = batch.add_bytes(content) if isinstance(content, bytes) else batch.add_file(content)
            adds.append(NewEntry(path if path.startswith("/") else f"/{path}", blob.digest, blob.size))
        where = batch.flush()
        provenance = {"by": parts.who, **({"because": because} if because else {})}
        with parts.catalogue.read() as connection:
            project = may_fill(parts, connection, parts.by, self.name, DEFAULT_PROJECT)
        change = Change(self.name, adds, tuple(remove), provenance, project=project, within=project)
        return commit(parts.catalogue, parts.store, change, lambda connection, _: places.record(connection, where))
