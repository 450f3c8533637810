"""When a landing has finished arriving: a state machine over successive listings, by a clock that it is given."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from aliquot.intake.groups import Markers, Membership, membership
from aliquot.intake.scan import File
from aliquot.model.lab_config import Settled


class Clock(NamedTuple):
    """A moment: `ticks` in seconds of a clock that never jumps, `at` in seconds since 1970."""

    ticks: float
    at: float


class Landing(NamedTuple):
    """Files that have arrived together; of a set, in the order of its patterns. Times in seconds since 1970."""

    files: tuple[File, ...]
    seen_at: float
    settled_at: float


class Pending(NamedTuple):
    """What waits and why. `until` is when it could settle by the clock's ticks; None: only a further file helps.

    `kind` is the reason in a word: quiet, marker, set, count, changed or unreadable.
    """

    path: str
    kind: str
    why: str
    until: float | None = None


_Key = tuple[int, str, tuple[tuple[str, str], ...]]


class _Seen(NamedTuple):
    size: int
    mtime_ns: int
    version: str
    changed_ns: int
    since: Clock


class Settling:
    """Remembers since when each file of a source has been as it is now."""

    def __init__(self, rule: Settled, sets: Sequence[Sequence[str]] = ()) -> None:
        self._quiet = rule.quiet
        self._count = rule.count
        self._markers = Markers(rule.marker) if rule.marker else None
        self._sets = [*([rule.set] if rule.set else []), *(each for each in sets if each)]
        self._seen: dict[str, _Seen] = {}
        self._pending: list[Pending] = []

    @property
    def pending(self) -> tuple[Pending, ...]:
        """List what still waited when files were last seen."""
        return tuple(self._pending)

    def data(self, files: Iterable[File]) -> list[File]:
        """Leave out the markers."""
        marked = self._markers
        return [each for each in files if not marked.is_marker(each.path)] if marked else list(files)

    def markers_of(self, file: File) -> list[str]:
        """List the paths at which a marker for this file may lie."""
        return self._markers.wanted(file) if self._markers else []

    def see(self, files: Sequence[File], now: Clock, taken: Collection[str] = ()) -> list[Landing]:
        """Give what has settled, of a listing of all files; `taken` are the paths of those that were taken as they are.

        A landing is given again until its files are among the taken. A taken file still counts as there: for its set,
        and for the number of files in its folder.
        """
        there = {each.path for each in files} if self._markers else set[str]()
        fresh = self._refresh(files, now, taken)
        self._pending = []
        if not (self._sets or self._markers or self._count):
            return self._rested(fresh, now)
        landings: list[Landing] = []
        full = self._full_folders(files)
        for group, member in self._groups(files, fresh):
            waits = self._waits(group, member, there, full, now)
            if waits:
                self._pending.append(waits)
            else:
                seen_at = min(self._seen[each.path].since.at for each in group if each.path in self._seen)
                landings.append(Landing(group, seen_at, now.at))
        return landings

    def _rested(self, fresh: Iterable[File], now: Clock) -> list[Landing]:
        """Give the files that rest, where nothing else matters."""
        landings: list[Landing] = []
        for file in fresh:
            since = self._seen[file.path].since
            if now.ticks >= since.ticks + self._quiet:
                landings.append(Landing((file,), since.at, now.at))
            else:
                self._pending.append(self._restless(file.path, since.ticks))
        return landings

    def _restless(self, path: str, since: float) -> Pending:
        return Pending(path, "quiet", f"waits until it has not changed for {self._quiet:g} s", since + self._quiet)

    def companions(self, fresh: Collection[File]) -> Callable[[File], bool] | None:
        """Give what tells which other files of the listing matter to new ones; None: only they do."""
        if not (self._sets or self._markers or self._count):
            return None
        markers = {path for file in fresh for path in self.markers_of(file)}
        folders = {file.folder for file in fresh} if self._count else set[str]()
        keys = {member.key for file in fresh if (member := membership(self._sets, file))} if self._sets else set()

        def matters(file: File) -> bool:
            if file.path in markers or file.folder in folders:
                return True
            return bool(keys) and (member := membership(self._sets, file)) is not None and member.key in keys

        return matters

    def unsettle(self, path: str) -> None:
        """Let a file begin anew, since it moved when it was thought to rest."""
        self._seen.pop(path, None)

    def _refresh(self, files: Iterable[File], now: Clock, taken: Collection[str]) -> list[File]:
        """Note since when each file that is not taken has been as it is; forget those that are gone."""
        before, self._seen = self._seen, {}
        fresh: list[File] = []
        for file in files:
            if file.path in taken or (self._markers and self._markers.is_marker(file.path)):
                continue
            seen = before.get(file.path)
            if seen is None or seen[:4] != (file.size, file.mtime_ns, file.version, file.changed_ns):
                seen = _Seen(file.size, file.mtime_ns, file.version, file.changed_ns, now)
            self._seen[file.path] = seen
            fresh.append(file)
        return fresh

    def _groups(self, files: Sequence[File], fresh: Sequence[File]) -> list[tuple[tuple[File, ...], Membership | None]]:
        """Put files that belong together side by side; those of a set that is complete and taken are left out."""
        if not self._sets:
            return [((file,), None) for file in fresh]
        alone: list[tuple[tuple[File, ...], Membership | None]] = []
        sets: dict[_Key, dict[int, File]] = {}
        of: dict[_Key, Membership] = {}
        new: set[_Key] = set()
        for file in self.data(files):
            member = membership(self._sets, file)
            if member is not None and member.number not in sets.get(member.key, {}):
                sets.setdefault(member.key, {})[member.number] = file
                of[member.key] = member
                if file.path in self._seen:
                    new.add(member.key)
            elif file.path in self._seen:
                alone.append(((file,), None))
        groups = [
            (tuple(file for _, file in sorted(found.items())), of[key]) for key, found in sets.items() if key in new
        ]
        return sorted([*alone, *groups], key=lambda each: each[0][0].path)

    def _full_folders(self, files: Sequence[File]) -> dict[str, tuple[int, float]]:
        """Say for each folder how many files it holds, and since when none of them has changed."""
        folders: dict[str, tuple[int, float]] = {}
        if self._count is None:
            return folders
        for file in self.data(files):
            count, since = folders.get(file.folder, (0, float("-inf")))
            seen = self._seen.get(file.path)
            folders[file.folder] = (count + 1, max(since, seen.since.ticks if seen else since))
        return folders

    def _waits(
        self,
        group: tuple[File, ...],
        member: Membership | None,
        there: Collection[str],
        full: dict[str, tuple[int, float]],
        now: Clock,
    ) -> Pending | None:
        """Say what a group waits for, the longest wait first; None when it has settled."""
        path = group[0].path
        if member is not None and len(group) < len(member.patterns):
            return Pending(path, "set", self._missing(group, member))
        for file in group:
            wanted = self.markers_of(file)
            if wanted and not any(each in there for each in wanted):
                return Pending(path, "marker", f"waits for the marker {wanted[0]}, which says that it is complete")
        since = max(self._seen[each.path].since.ticks for each in group if each.path in self._seen)
        for file in group if self._count is not None else ():
            count, quiet = full[file.folder]
            if count < (self._count or 0):
                return Pending(
                    path, "count", f"waits for more files: {file.folder or '/'} holds {count} of {self._count}"
                )
            since = max(since, quiet)
        return self._restless(path, since) if now.ticks < since + self._quiet else None

    def _missing(self, group: tuple[File, ...], member: Membership) -> str:
        there = {found.number for file in group if (found := membership(self._sets, file))}
        names = [member.name_of(number) for number in range(len(member.patterns)) if number not in there]
        verb = "belongs" if len(names) == 1 else "belong"
        held = f"{len(group)} of {len(member.patterns)} files of the set are there"
        return f"waits for {' and '.join(names)}, which {verb} to it ({held})"
