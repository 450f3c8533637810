"""When a landing has finished arriving: a state machine over successive listings, by a clock that it is given."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from aliquot.intake.companions import NOTHING, Beside, Companions, Found
from aliquot.intake.groups import Key, Markers, Membership, membership
from aliquot.intake.scan import File
from aliquot.intake.ties import Ties
from aliquot.model.lab_config import Settled


class Clock(NamedTuple):
    """A moment: `ticks` in seconds of a clock that never jumps, `at` in seconds since 1970."""

    ticks: float
    at: float


class Landing(NamedTuple):
    """Files that have arrived together; of a set, in the order of its patterns. Times in seconds since 1970.

    `beside` says something of them and arrives by itself. Such a file has a landing with its `role`: sidecar or
    manifest. `gave_up` says for what they have waited in vain, `fault` why a manifest cannot be read.
    """

    files: tuple[File, ...]
    seen_at: float
    settled_at: float
    beside: tuple[Beside, ...] = ()
    role: str = ""
    gave_up: str = ""
    fault: str = ""


class Pending(NamedTuple):
    """What waits and why. `until` is when it could settle by the clock's ticks; None: only a further file helps.

    `kind` is the reason in a word: quiet, marker, set, count, manifest, sidecar, changed or unreadable.
    """

    path: str
    kind: str
    why: str
    until: float | None = None


_SHOWN = 3


class _Seen(NamedTuple):
    size: int
    mtime_ns: int
    version: str
    changed_ns: int
    since: Clock


class _Group(NamedTuple):
    """Files of one landing: alone, or of a set; with what says something of them, or as a file that does so itself."""

    files: tuple[File, ...]
    member: Membership | None = None
    beside: tuple[Beside, ...] = ()
    role: str = ""


class Settling:
    """Remembers since when each file of a source has been as it is now."""

    def __init__(self, rule: Settled, sets: Sequence[Sequence[str]] = (), companions: Companions | None = None) -> None:
        self._quiet = rule.quiet
        self._count = rule.count
        self._give_up = rule.give_up
        self._markers = Markers(rule.marker) if rule.marker else None
        self._sets = [*([rule.set] if rule.set else []), *(each for each in sets if each)]
        self._companions = companions or Companions(rule.manifest)
        self.ties = Ties(self._companions, self._sets, self._markers, rule.count is not None)
        self._seen: dict[str, _Seen] = {}
        self._pending: list[Pending] = []
        self._waiting: set[str] = set()
        self._awaited: dict[str, float] = {}

    @property
    def pending(self) -> tuple[Pending, ...]:
        """List what still waited when files were last seen."""
        return tuple(self._pending)

    @property
    def awaited(self) -> Mapping[str, float]:
        """Say which files waited for others when they were last seen, and since when, in seconds since 1970."""
        return self._awaited

    @property
    def waiting(self) -> Collection[str]:
        """Give the paths of the files that waited for others, and not for time, when files were last seen."""
        return self._waiting

    def see(
        self,
        files: Sequence[File],
        now: Clock,
        taken: Collection[str] = (),
        unfinished: Collection[str] = (),
        awaited: Mapping[str, float] = MappingProxyType({}),
        counts: Mapping[str, int] = MappingProxyType({}),
    ) -> list[Landing]:
        """Give what has settled, of files that may matter; `taken` are the paths of those that were taken as they are.

        A landing is given again until its files are among the taken. A taken file still counts as there: for its set,
        and for the number of files in its folder. Of the taken, `unfinished` are those that were given up: they are
        given again with what they had waited for. `awaited` says since when files have waited for others, as it was
        known before, and `counts` how many more files, all taken, lie in a folder.
        """
        there = {each.path for each in files} if self._markers else set[str]()
        fresh = self._refresh(files, now, taken, unfinished)
        found = self._companions.find(self.ties.data(files))
        self._pending = []
        self._awaited = {}
        self._waiting = set()
        if found is NOTHING and not (self._sets or self._markers or self._count):
            return self._rested(fresh, now)
        full = self._full_folders(files, counts)
        landings: list[Landing] = []
        for group in self._groups(files, fresh, found):
            waits = self._waits(group, found, there, full, now)
            since = min((each.since.at for each in self._seen_of(group)), default=now.at)
            fault = found.faults.get(group.files[0].path, "")
            landing = Landing(group.files, since, now.at, group.beside, group.role, fault=fault)
            if waits is None:
                landings.append(landing)
            elif all(file.path in unfinished or file.path not in self._seen for file in group.files):
                # It was given up before, and told then.
                continue
            elif self._in_vain(group, waits, awaited, now):
                landings.append(landing._replace(gave_up=waits.why))
            else:
                self._pending.append(waits)
                if waits.until is None:
                    self._waiting.update(file.path for file in group.files)
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

    def unsettle(self, path: str) -> None:
        """Let a file begin anew, since it moved when it was thought to rest."""
        self._seen.pop(path, None)

    def _refresh(
        self, files: Iterable[File], now: Clock, taken: Collection[str], unfinished: Collection[str]
    ) -> list[File]:
        """Note since when each file that is not taken has been as it is; forget those that are gone."""
        before, self._seen = self._seen, {}
        fresh: list[File] = []
        for file in files:
            if (file.path in taken and file.path not in unfinished) or self.ties.is_marker(file.path):
                continue
            seen = before.get(file.path)
            if seen is None or seen[:4] != (file.size, file.mtime_ns, file.version, file.changed_ns):
                seen = _Seen(file.size, file.mtime_ns, file.version, file.changed_ns, now)
            self._seen[file.path] = seen
            fresh.append(file)
        return fresh

    def _groups(self, files: Sequence[File], fresh: Sequence[File], found: Found) -> list[_Group]:
        """Put files that belong together side by side; those of a set that is complete and taken are left out."""
        if not self._sets and found is NOTHING:
            return [_Group((file,)) for file in fresh]
        alone: list[_Group] = []
        sets: dict[Key, dict[int, File]] = {}
        of: dict[Key, Membership] = {}
        for file in self.ties.data(files):
            if role := found.role_of(file):
                alone.append(_Group((file,), role=role))
                continue
            member = membership(self._sets, file)
            if member is not None and member.number not in sets.get(member.key, {}):
                sets.setdefault(member.key, {})[member.number] = file
                of[member.key] = member
            else:
                alone.append(_Group((file,), None, found.beside.get(file.path, ())))
        for key, each in sets.items():
            members = tuple(file for _, file in sorted(each.items()))
            beside = dict.fromkeys(one for file in members for one in found.beside.get(file.path, ()))
            alone.append(_Group(members, of[key], tuple(beside)))
        return sorted((each for each in alone if self._seen_of(each)), key=lambda each: each.files[0].path)

    def _seen_of(self, group: _Group) -> list[_Seen]:
        """Give what is remembered of a group's files that are new, and of what is new beside them."""
        paths = (*(each.path for each in group.files), *(each.file.path for each in group.beside))
        return [self._seen[path] for path in paths if path in self._seen]

    def _full_folders(self, files: Sequence[File], counts: Mapping[str, int]) -> dict[str, tuple[int, float]]:
        """Say for each folder how many files it holds, and since when none of them has changed."""
        folders = {folder: (count, float("-inf")) for folder, count in counts.items()}
        if self._count is None:
            return folders
        for file in self.ties.data(files):
            count, since = folders.get(file.folder, (0, float("-inf")))
            seen = self._seen.get(file.path)
            folders[file.folder] = (count + 1, max(since, seen.since.ticks if seen else since))
        return folders

    def _waits(
        self,
        group: _Group,
        found: Found,
        there: Collection[str],
        full: dict[str, tuple[int, float]],
        now: Clock,
    ) -> Pending | None:
        """Say what a group waits for, the longest wait first; None when it has settled."""
        files, member, _, role = group
        path = files[0].path
        if role:
            return self._waits_beside(files[0], found, now)
        if member is not None and len(files) < len(member.patterns):
            return Pending(path, "set", self._missing(files, member))
        for file in files:
            wanted = self.ties.markers_of(file)
            if wanted and not any(each in there for each in wanted):
                return Pending(path, "marker", f"waits for the marker {wanted[0]}, which says that it is complete")
            if self._companions.gating and (why := _unnamed(file, found)):
                return Pending(path, "manifest", why)
        since = max(each.since.ticks for each in self._seen_of(group))
        for file in files if self._count is not None else ():
            count, quiet = full[file.folder]
            if count < (self._count or 0):
                return Pending(
                    path, "count", f"waits for more files: {file.folder or '/'} holds {count} of {self._count}"
                )
            since = max(since, quiet)
        return self._restless(path, since) if now.ticks < since + self._quiet else None

    def _waits_beside(self, file: File, found: Found, now: Clock) -> Pending | None:
        """Say what a sidecar file or manifest waits for."""
        if file.path in found.lonely:
            return Pending(file.path, "sidecar", "waits for the file that it describes")
        if file.path in found.lacking:
            return Pending(file.path, "manifest", f"waits for {_listed(found.lacking[file.path])}, which it names")
        since = self._seen[file.path].since.ticks
        return self._restless(file.path, since) if now.ticks < since + self._quiet else None

    def _in_vain(self, group: _Group, waits: Pending, awaited: Mapping[str, float], now: Clock) -> bool:
        """Note that a group waits for other files, and say whether it has done so for too long."""
        if self._give_up is None or waits.until is not None:
            return False
        since: list[float] = []
        for file in group.files:
            seen = self._seen.get(file.path)
            if seen is not None:
                since.append(min(awaited.get(file.path, now.at), seen.since.at, now.at))
                self._awaited[file.path] = since[-1]
        return bool(since) and now.at >= max(since) + self._give_up

    def _missing(self, group: tuple[File, ...], member: Membership) -> str:
        there = {found.number for file in group if (found := membership(self._sets, file))}
        names = [member.name_of(number) for number in range(len(member.patterns)) if number not in there]
        verb = "belongs" if len(names) == 1 else "belong"
        held = f"{len(group)} of {len(member.patterns)} files of the set are there"
        return f"waits for {' and '.join(names)}, which {verb} to it ({held})"


def _unnamed(file: File, found: Found) -> str | None:
    """Say for what a file waits that a manifest has to name; None when one does, and all that it names are there."""
    by = [each.file for each in found.beside.get(file.path, ()) if each.row is not None]
    if not by:
        return "waits for a manifest that names it"
    if any(each.path not in found.lacking for each in by):
        return None
    return f"waits for {_listed(found.lacking[by[0].path])}, which {by[0].path} names, too"


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    return shown + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
