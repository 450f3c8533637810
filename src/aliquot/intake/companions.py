"""Files that say something of others: sidecar files beside them, manifests and sample sheets that name them."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aliquot.formats.manifest import Checksum, Row, read_manifest
from aliquot.formats.recognise import name_matches
from aliquot.intake.scan import File
from aliquot.intake.sidecar import ENDINGS
from aliquot.model.errors import Conflict, Invalid
from aliquot.model.lab_config import Manifest

LaidOut = Callable[[File], AbstractContextManager[Path | None]]
"""Gives a file's place on disk as long as it lasts; None where it cannot be had."""

_KEPT = 100_000
"""Names in manifests that are remembered from one look to the next."""


class Beside(NamedTuple):
    """A file that says something of another. `row` is its row on that one, in a manifest; a sidecar file has none."""

    file: File
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a listing has of such files.

    `beside` gives, by a file's path, what says something of it; `sidecars` and `manifests` are those files by their
    paths, and `lonely` the sidecar files without a file that they could be of. `lacking` names, by a manifest's path,
    the files that it names and that are not there; `faults` says why one cannot be read.
    """

    beside: Mapping[str, tuple[Beside, ...]] = field(default_factory=dict[str, tuple[Beside, ...]])
    sidecars: Mapping[str, File] = field(default_factory=dict[str, File])
    manifests: Mapping[str, File] = field(default_factory=dict[str, File])
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    lonely: Mapping[str, File] = field(default_factory=dict[str, File])
    faults: Mapping[str, str] = field(default_factory=dict[str, str])

    def role_of(self, file: File) -> str:
        """Say whether a file is a sidecar or a manifest; nothing where it is data."""
        if file.path in self.manifests:
            return "manifest"
        return "sidecar" if file.path in self.sidecars or file.path in self.lonely else ""


NOTHING = Found()


class Companions:
    """Finds sidecar files and manifests in a listing.

    `describes` says of a file whether its name fits a type that asks for values, `claims` whether a type asks for files
    of its ending: such a file is data, and no sidecar. `laid_out` gives their places on disk.
    """

    def __init__(
        self,
        manifest: Manifest | None = None,
        describes: Callable[[File], bool] | None = None,
        claims: Callable[[File], bool] = lambda _: False,
        laid_out: LaidOut | None = None,
    ) -> None:
        self._manifest = manifest
        self._describes = describes
        self._claims = claims
        self._laid_out = laid_out or _as_it_lies
        self._rows: dict[File, Sequence[Row]] = {}
        self._faults: dict[File, str] = {}
        self._names = 0
        self._used: set[File] = set()

    @property
    def looking(self) -> bool:
        """Say whether any file may say something of another."""
        return self._describes is not None or self._manifest is not None

    @property
    def gating(self) -> bool:
        """Say whether files wait for a manifest that names them."""
        return self._manifest is not None

    @property
    def describing(self) -> bool:
        """Say whether a file may have sidecar files."""
        return self._describes is not None

    def is_manifest(self, file: File) -> bool:
        """Say whether a file is a manifest by its name."""
        return self._manifest is not None and name_matches(self._manifest.name, file.name)

    def describes(self, file: File) -> bool:
        """Say whether values are asked for a file, by its name."""
        return self._describes is not None and self._describes(file)

    def may_be_sidecar(self, file: File) -> bool:
        """Say whether a file says something of another by its name, if there is such another."""
        named = self._describes is not None and file.name.lower().endswith(ENDINGS)
        return named and not self.is_manifest(file) and not self._claims(file)

    def named(self, manifest: File) -> list[str]:
        """List the paths of the files that a manifest names."""
        return [f"{manifest.folder}/{name}" for row in self._rows_of(manifest) for name in row.files]

    def find(self, files: Sequence[File]) -> Found:
        """Look through a listing."""
        if not self.looking:
            return NOTHING
        there = {file.path: file for file in files}
        beside: dict[str, list[Beside]] = {}
        manifests = {file.path: file for file in files if self.is_manifest(file)}
        lacking: dict[str, tuple[str, ...]] = {}
        faults: dict[str, str] = {}
        for file in manifests.values():
            missing: list[str] = []
            rows = self._rows_of(file)
            if file in self._faults:
                faults[file.path] = self._faults[file]
            for row in rows:
                for name in row.files:
                    path = f"{file.folder}/{name}"
                    beside.setdefault(path, []).append(Beside(file, row))
                    if path not in there:
                        missing.append(path)
            if missing:
                lacking[file.path] = tuple(missing)
        sidecars, lonely = self._sidecars(files, there, manifests, beside)
        self._forget()
        known = {path: tuple(each) for path, each in beside.items()}
        return Found(known, sidecars, manifests, lacking, lonely, faults)

    def _sidecars(
        self,
        files: Sequence[File],
        there: Mapping[str, File],
        manifests: Mapping[str, File],
        beside: dict[str, list[Beside]],
    ) -> tuple[dict[str, File], dict[str, File]]:
        sidecars: dict[str, File] = {}
        lonely: dict[str, File] = {}
        if self._describes is None:
            return sidecars, lonely
        candidates = [file for file in files if self.may_be_sidecar(file)]
        if not candidates:
            return sidecars, lonely
        stems: dict[str, list[File]] = {}
        others = {file.path for file in candidates}
        for file in files:
            if file.path not in others and file.path not in manifests and self._describes(file):
                stems.setdefault(stem(file.path), []).append(file)
        for file in candidates:
            base = stem(file.path)
            # `plate.csv.yaml` is of one file, `plate.yaml` of all that are called plate.
            of = [there[base]] if base in there and self._describes(there[base]) else stems.get(base, [])
            for each in of:
                beside.setdefault(each.path, []).append(Beside(file))
            if of:
                sidecars[file.path] = file
            elif not self._describes(file):
                lonely[file.path] = file
        return sidecars, lonely

    def _rows_of(self, file: File) -> Sequence[Row]:
        self._used.add(file)
        if file in self._rows:
            return self._rows[file]
        assert self._manifest is not None
        try:
            with self._laid_out(file) as path:
                if path is None:
                    return ()
                rows = read_manifest(path, self._manifest.files, self._manifest.checksums)
        except Invalid as error:
            self._rows[file] = ()
            self._faults[file] = error.message
            return ()
        except (OSError, Conflict):
            return ()
        # Where there is no room the rest alone is read again: whatever made room for it would be wanted before it.
        if self._names < _KEPT:
            self._rows[file] = rows
            self._names += _count(rows)
        return rows

    def _forget(self) -> None:
        """Make room at the end of a look, where there is none: what it did not ask for is not there any more."""
        if self._names >= _KEPT:
            self._rows = {file: rows for file, rows in self._rows.items() if file in self._used}
            self._faults = {file: fault for file, fault in self._faults.items() if file in self._used}
            self._names = sum(map(_count, self._rows.values()))
        self._used.clear()


def _count(rows: Sequence[Row]) -> int:
    return sum(len(row.files) for row in rows)


@contextmanager
def _as_it_lies(file: File) -> Generator[Path | None]:
    yield Path(file.absolute)


def checksum_of(file: File, beside: Sequence[Beside]) -> tuple[Checksum, File] | None:
    """Give the checksum that a manifest says a file has, and the manifest."""
    for each in beside:
        if each.row is not None:
            for name, checksum in each.row.checksums.items():
                if f"{each.file.folder}/{name}" == file.path:
                    return checksum, each.file
    return None


def stem(path: str) -> str:
    """Give a path without the last ending of its name."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
