"""What ties files of a source together: of a listing, only those are held without which new ones cannot be judged."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from aliquot.intake.companions import Companions, stem
from aliquot.intake.groups import Key, Markers, membership
from aliquot.intake.scan import File

_TOGETHER = 5_000

Pages = Callable[[], Iterable[Sequence[File]]]
"""Lists the source anew, some files at a time."""
Fresh = Callable[[Sequence[File]], Collection[File]]
"""Gives those of some files that are new."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Files that matter to new ones, by path; `fresh` are the paths of those that turned out to be new themselves.

    `counts` says how many more files a folder holds, where only their number matters.
    """

    files: dict[str, File] = field(default_factory=dict[str, File])
    fresh: set[str] = field(default_factory=set[str])
    counts: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Ties:
    """How files depend on others: by sets, by markers, by their number in a folder, by what others say of them."""

    companions: Companions
    sets: Sequence[Sequence[str]] = ()
    markers: Markers | None = None
    counting: bool = False

    @property
    def any(self) -> bool:
        """Say whether any file may depend on another."""
        return bool(self.sets or self.markers or self.counting or self.companions.looking)

    def is_marker(self, path: str) -> bool:
        """Say whether a file is a marker, and so never data."""
        return self.markers is not None and self.markers.is_marker(path)

    def markers_of(self, file: File) -> list[str]:
        """List the paths at which a marker for this file may lie."""
        return self.markers.wanted(file) if self.markers else []

    def data(self, files: Iterable[File]) -> list[File]:
        """Leave out the markers."""
        return [each for each in files if not self.is_marker(each.path)] if self.markers else list(files)


def gather(
    ties: Ties,
    new: Collection[File],
    pages: Pages,
    fresh: Fresh,
    unfinished: Collection[str] = (),
    held: Collection[str] = (),
) -> Gathered:
    """Find what matters to new files, and to what was found, until a listing gives no more.

    `fresh` tells what is new among these, too: it may have come since the new ones were listed. The `held` are judged
    in any case, and of the `unfinished`, which were given up, those for which something has come.
    """
    found, related = Gathered(), _Related(ties, unfinished, held)
    skipped = {file.path for file in new}
    for file in new:
        related.add(file, fresh=True)
    while related.grown:
        related.grown = False
        found.counts.clear()
        for part in _together(related.weighed(pages(), skipped)):
            among = set(fresh([file for file, _ in part]))
            for file, weight in part:
                is_new = file in among
                if weight is _Weight.COUNTED and not is_new:
                    found.counts[file.folder] = found.counts.get(file.folder, 0) + 1
                    continue
                found.files[file.path] = file
                if is_new:
                    found.fresh.add(file.path)
                if is_new or weight is _Weight.JUDGED:
                    related.add(file, fresh=is_new or file.path in unfinished)
    return found


class _Weight(IntEnum):
    """How much a file matters: as one of many, by being there, or since it is judged together with what is new."""

    NONE = 0
    COUNTED = 1
    THERE = 2
    JUDGED = 3


class _Related:
    """What is wanted of a listing. It grows with every file that is judged; `grown` says that there may be more."""

    def __init__(self, ties: Ties, unfinished: Collection[str], held: Collection[str]) -> None:
        self._ties = ties
        self._said = ties.companions
        self._unfinished = unfinished
        self._kept: dict[str, _Weight] = {}
        self._judged = set(held)
        self._there: set[str] = set()
        self._sidecars: set[str] = set()
        self._stems: set[str] = set()
        self._sets: set[Key] = set()
        self._folders: set[str] = set()
        self._markers: set[str] = set()
        self._named: set[str] = set()
        self._above: set[str] = set()
        self.grown = bool(held)

    def weighed(self, pages: Iterable[Sequence[File]], skipped: Collection[str]) -> Iterator[tuple[File, _Weight]]:
        """Give what matters in a listing and has not been given before with as much weight."""
        for page in pages:
            for file in page:
                weight = self._weight(file)
                if weight and file.path not in skipped and weight > self._kept.get(file.path, _Weight.NONE):
                    if weight > _Weight.COUNTED:
                        self._kept[file.path] = weight
                    yield file, weight

    def add(self, file: File, *, fresh: bool) -> None:
        """Want all that matters to a file; `fresh`: it may be what says something new of others."""
        before = self._size
        if self._ties.is_marker(file.path):
            self._markers.add(file.path)
        else:
            self._there.update(self._ties.markers_of(file))
            if self._ties.counting:
                self._folders.add(file.folder)
            if self._ties.sets and (member := membership(self._ties.sets, file)):
                self._sets.add(member.key)
            if self._said.looking:
                self._add_said(file, fresh=fresh)
        self.grown |= self._size > before

    @property
    def _size(self) -> int:
        wanted = (self._judged, self._there, self._sidecars, self._stems, self._sets, self._folders, self._markers,
                  self._named, self._above)  # fmt: skip
        return sum(map(len, wanted))

    def _add_said(self, file: File, *, fresh: bool) -> None:
        """Want the files that say something of this one, and those of which it says something itself."""
        if self._said.is_manifest(file):
            if fresh:
                self._judged.update(self._said.named(file))
            return
        if self._said.gating:
            self._named.add(file.path)
            folder = file.folder
            self._above.add(folder)
            while folder:
                folder = folder.rpartition("/")[0]
                self._above.add(folder)
        if self._said.describing:
            base = stem(file.path)
            # A sidecar file belongs to the file of its whole name, and else to all of its stem.
            self._there.add(base)
            self._sidecars.update((file.path, base))
            if fresh and self._said.may_be_sidecar(file):
                self._judged.add(base)
                self._stems.add(base)
                self._sidecars.add(stem(base))

    def _weight(self, file: File) -> _Weight:
        weight = self._plain_weight(file)
        return _Weight.JUDGED if weight and file.path in self._unfinished else weight

    def _plain_weight(self, file: File) -> _Weight:
        path = file.path
        if path in self._judged or (self._sets and self._is_of_set(file)):
            return _Weight.JUDGED
        if self._said.describing and stem(path) in self._stems and self._said.describes(file):
            return _Weight.JUDGED
        if path in self._there or self._says_something(file):
            return _Weight.THERE
        if self._markers and path in self._unfinished and not self._markers.isdisjoint(self._ties.markers_of(file)):
            return _Weight.JUDGED
        if file.folder in self._folders and not self._ties.is_marker(path):
            return _Weight.COUNTED
        return _Weight.NONE

    def _is_of_set(self, file: File) -> bool:
        member = membership(self._ties.sets, file)
        return member is not None and member.key in self._sets

    def _says_something(self, file: File) -> bool:
        """Say whether it is a sidecar file of what is judged, or a manifest that names it."""
        if self._sidecars and self._said.may_be_sidecar(file) and stem(file.path) in self._sidecars:
            return True
        if not self._above or file.folder not in self._above or not self._said.is_manifest(file):
            return False
        named = self._said.named(file)
        if self._named.isdisjoint(named):
            return False
        before = len(self._there)
        self._there.update(named)
        self.grown |= len(self._there) > before
        return True


def _together(files: Iterable[tuple[File, _Weight]]) -> Iterator[list[tuple[File, _Weight]]]:
    part: list[tuple[File, _Weight]] = []
    for each in files:
        part.append(each)
        if len(part) >= _TOGETHER:
            yield part
            part = []
    if part:
        yield part
