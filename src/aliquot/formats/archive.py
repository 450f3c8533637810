"""Archives that people upload: .tar, .tar.gz and .zip, checked and unpacked without trusting them."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aliquot.formats.archive_members import Member, kind_of, members
from aliquot.formats.collected import Collected, together
from aliquot.model.errors import Conflict, Invalid, Unavailable
from aliquot.model.finding import Report
from aliquot.model.quantity import in_words

_LONGEST_SEGMENT = 255
_LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive may unpack to: members, bytes in all, and bytes for each byte of the archive.

    `ratio` only counts beyond `free` bytes, for small archives of repetitive text are no attack.
    """

    members: int = 1_000_000
    total: int = 2 * 2**40
    ratio: float = 200.0
    free: int = 64 * 2**20


DEFAULT_LIMITS = ArchiveLimits()


@dataclass(slots=True)
class _Gate:
    """What lets members through one by one, and remembers what has passed."""

    limits: ArchiveLimits
    archive_size: int
    count: int = 0
    written: int = 0
    files: set[str] = field(default_factory=set[str])
    folders: set[str] = field(default_factory=set[str])

    def admit(self, member: Member) -> str:
        """Give the member's name as a clean relative path ("" for the archive's own root), or refuse it."""
        self.count += 1
        if self.count > self.limits.members:
            raise Invalid(
                "archive-too-many-members",
                f"The archive has more than {self.limits.members} members. Split it into smaller archives.",
            )
        name = clean_name(member.name)
        if member.refused is not None:
            raise Invalid(member.refused.code, f"{member.name!r} {member.refused.text}", member=member.name)
        self._fits_among_the_others(name, member)
        if not member.folder:
            self.grow(member.size, member.name, commit=False)
        return name

    def grow(self, size: int, name: str, *, commit: bool = True) -> None:
        """Count bytes that were unpacked, or only see whether so many more would be too many."""
        total = self.written + size
        if total > self.limits.total:
            raise Invalid(
                "archive-too-large",
                f"The archive unpacks to more than {in_words(self.limits.total)} (at {name!r}). Split it.",
            )
        if total > self.limits.free and total > self.limits.ratio * self.archive_size:
            raise Invalid(
                "archive-bomb",
                f"The archive unpacks to more than {self.limits.ratio:.0f} times its own size (at {name!r}), as "
                "archives do that are made to fill up a disk. Upload its files without packing them.",
            )
        if commit:
            self.written = total

    def _fits_among_the_others(self, name: str, member: Member) -> None:
        if not name and member.folder:
            return
        parents = [name[:at] for at, sign in enumerate(name) if sign == "/"]
        if not name or name in self.files or (name in self.folders and not member.folder):
            raise Invalid(
                "member-twice", f"{member.name!r} is in the archive twice. Pack it again without the other one."
            )
        if clash := next((parent for parent in parents if parent in self.files), None):
            raise Invalid(
                "member-conflict", f"{clash!r} is a file in the archive, and also a folder. Rename one of them."
            )
        self.folders.update(parents)
        (self.folders if member.folder else self.files).add(name)


def clean_name(name: str) -> str:
    """Fold `./` and doubled slashes out of a member's name; refuse a name that could lead out of the folder."""
    segments = [segment for segment in name.split("/") if segment not in ("", ".")]
    try:
        lengths = [len(segment.encode()) for segment in segments]
    except UnicodeEncodeError:
        text = f"The name {name!r} is not written in UTF-8. Rename the file and pack it again."
        raise Invalid("member-name-encoding", text, member=ascii(name)) from None
    if name.startswith(("/", "\\")) or name[1:3] in (":\\", ":/"):
        text = f"{name!r} has an absolute path. Pack the files again with paths relative to a folder."
        raise Invalid("member-absolute", text, member=name)
    if ".." in name.replace("\\", "/").split("/"):
        text = f"{name!r} leads out of the archive's own folder ('..'). Pack the files again from inside it."
        raise Invalid("member-outside", text, member=name)
    if any(not sign.isprintable() and ord(sign) < 0xA0 for sign in name):
        text = f"The name {name!r} has control characters in it. Rename the file and pack it again."
        raise Invalid("member-name-control", text, member=name)
    if max(lengths, default=0) > _LONGEST_SEGMENT or sum(lengths) + len(lengths) > _LONGEST_NAME:
        text = f"The name {name[:60]!r}… is too long: 255 bytes for a name and 1024 for a path is the limit. Rename it."
        raise Invalid("member-name-long", text, member=name)
    return "/".join(segments)


def check_archive(path: Path, limits: ArchiveLimits = DEFAULT_LIMITS, name: str | None = None) -> Report:
    """Check an archive by reading all of it, writing nothing.

    Facts: `kind` (tar, tar.gz, zip), `files`, `folders`, `bytes` when unpacked. A bad member is a finding; after a
    fault of the archive as a whole nothing more is read.
    """
    found = Collected(name or path.name)
    facts: dict[str, object] = {}
    try:
        facts["kind"] = kind_of(path)
        gate = _Gate(limits, path.stat().st_size)
        for member in members(path, limits.members):
            _look_into(member, gate, found)
        facts |= {"files": len(gate.files), "folders": len(gate.folders), "bytes": gate.written}
        if not gate.files and not found:
            found.warning("archive-empty", "The archive has no files in it.")
    except Invalid as error:
        found.raised(error)
    except OSError as error:
        found.error("file-unreadable", f"The file cannot be read: {error.strerror or error}.")
    return found.report(facts)


_OF_THE_WHOLE = frozenset({"archive-too-many-members", "archive-too-large", "archive-bomb"})


def _look_into(member: Member, gate: _Gate, found: Collected) -> None:
    try:
        gate.admit(member)
    except Invalid as error:
        if error.code in _OF_THE_WHOLE:
            raise
        found.raised(error)
    # A refused member is read too: the next one lies behind it, and what it unpacks to counts.
    for block in member.content:
        gate.grow(len(block), member.name)


def unpack(path: Path, target: Path, limits: ArchiveLimits = DEFAULT_LIMITS) -> list[str]:
    """Unpack an archive into `target`, which must not exist or be an empty folder; give the files' names, in order.

    The first fault raises `Invalid` and nothing is left behind: the files are written to a folder beside the target,
    which is renamed when all of them are there. Owners, times, setuid bits and the like are not taken over.
    """
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise Conflict("target-exists", f"{target} is there already. Unpack into a new folder.", target=str(target))
    folder: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", suffix=".partial", dir=target.parent))
        names = _fill(folder, path, limits)
        folder.chmod(0o755)
        folder.rename(target)
    except BaseException as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            reason = error.strerror or error
            text = f"{path.name} could not be unpacked beside {target}: {reason}. Make room and try again."
            raise Unavailable("unpack-failed", text, target=str(target)) from error
        raise
    return names


def _fill(folder: Path, path: Path, limits: ArchiveLimits) -> list[str]:
    gate = _Gate(limits, path.stat().st_size)
    names: list[str] = []
    for member in members(path, limits.members):
        name = gate.admit(member)
        if member.folder:
            (folder / name).mkdir(parents=True, exist_ok=True)
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write(member, folder / name, gate)
        names.append(name)
    return names


def contents(path: Path, limits: ArchiveLimits = DEFAULT_LIMITS) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Give an archive's files one by one: clean name, size as it says, and the bytes in blocks, to be used up first.

    Folders are left out. The first fault raises `Invalid`.
    """
    gate = _Gate(limits, path.stat().st_size)
    for member in members(path, limits.members):
        name = gate.admit(member)
        if not member.folder:
            yield name, member.size, _counted(member, gate)


def _counted(member: Member, gate: _Gate) -> Iterator[bytes]:
    for block in member.content:
        gate.grow(len(block), member.name)
        yield block


def _write(member: Member, place: Path, gate: _Gate) -> None:
    mode = 0o755 if member.executable else 0o644
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        for block in member.content:
            gate.grow(len(block), member.name)
            file.write(block)


class Archive:
    """The format `archive`: each archive by itself."""

    name = "archive"

    def __init__(self, limits: ArchiveLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    def check(self, files: Mapping[str, Path], options: Mapping[str, object]) -> Report:
        """Check archives; there are no options."""
        del options
        return together({name: check_archive(path, self._limits, name) for name, path in files.items()})


__all__ = ["DEFAULT_LIMITS", "Archive", "ArchiveLimits", "check_archive", "clean_name", "contents", "unpack"]
