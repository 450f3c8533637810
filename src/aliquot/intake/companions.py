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
from aliquot.model.errors import Invalid
from aliquot.model.lab_config import Manifest

LaidOut = Callable[[File], AbstractContextManager[Path | None]]
"""Gives a file's place on disk as long as it lasts; None where it cannot be had."""

_KEPT = 256
"""Manifests whose rows are remembered from one look to the next."""


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

    @property
    def looking(self) -> bool:
        """Say whether any file may say something of another."""
        return self._describes is not None or self._manifest is not None

    @property
    def gating(self) -> bool:
        """Say whether files wait for a manifest that names them."""
        return self._manifest is not None

    def is_manifest(self, file: File) -> bool:
        """Say whether a file is a manifest by its name."""
        return self._manifest is not None and name_matches(self._manifest.name, file.name)

    def find(self, files: Sequence[File]) -> Found:
        """Look through a listing."""
        if not self.looking:
            return NOTHING
        there = {file.path: file for file in files}
        beside: dict[str, list[Beside]] = {}
        manifests = {file.path: file for file in files if self.is_manifest(file)}
        lacking: dict[str, tuple[str, ...]] = {}
        for file in manifests.values():
            missing: list[str] = []
            for row in self._rows_of(file):
                for name in row.files:
                    path = f"{file.folder}/{name}"
                    beside.setdefault(path, []).append(Beside(file, row))
                    if path not in there:
                        missing.append(path)
            if missing:
                lacking[file.path] = tuple(missing)
        sidecars, lonely = self._sidecars(files, there, manifests, beside)
        faults = {path: self._faults[file] for path, file in manifests.items() if file in self._faults}
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
        candidates = [
            file
            for file in files
            if file.name.lower().endswith(ENDINGS) and file.path not in manifests and not self._claims(file)
        ]
        if not candidates:
            return sidecars, lonely
        stems: dict[str, list[File]] = {}
        others = {file.path for file in candidates}
        for file in files:
            if file.path not in others and file.path not in manifests and self._describes(file):
                stems.setdefault(_stem(file.path), []).append(file)
        for file in candidates:
            base = _stem(file.path)
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
        if file not in self._rows:
            if len(self._rows) >= _KEPT:
                self._rows.clear()
                self._faults.clear()
            assert self._manifest is not None
            try:
                with self._laid_out(file) as path:
                    if path is None:
                        return ()
                    self._rows[file] = read_manifest(path, self._manifest.files, self._manifest.checksums)
            except Invalid as error:
                self._rows[file] = ()
                self._faults[file] = error.message
            except OSError:
                return ()
        return self._rows[file]


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


def _stem(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
