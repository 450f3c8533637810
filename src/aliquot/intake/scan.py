"""Listing what lies in a folder: the truth about what has arrived."""

import errno
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from aliquot.formats.recognise import name_matches
from aliquot.model.errors import Invalid, Unavailable
from aliquot.model.finding import Finding, Severity
from aliquot.model.glob import compile_glob

_PAGE = 1000

_Which = tuple[int, int]
"""What tells a folder from all others: the number of its device, and its own."""

NAME_FAULT = "The name is not valid Unicode, so that no dataset could hold it. Rename the file, then send it again."


class File(NamedTuple):
    r"""A file in a source: its path below it with a leading `/`, its place on disk, size in bytes, time of change.

    Where a name is not valid Unicode, `path` shows the odd bytes as `\xff`, and `fault` says what is wrong. `version`
    is that of an object in a bucket, which has no place on disk until it is fetched; `changed_ns` is when the system
    last noted a change of a file in a folder. Both are hints that equal size and time are not the same file.
    """

    path: str
    absolute: str
    size: int
    mtime_ns: int
    fault: str = ""
    version: str = ""
    changed_ns: int = 0

    @property
    def name(self) -> str:
        """Give the last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """Give the path of the folder, empty for the source's own."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder in the order of their paths, and warnings about what was passed over."""

    files: list[File]
    findings: tuple[Finding, ...] = ()


def scan(root: Path, ignore: Sequence[str] = ()) -> Listing:
    """List the files in a folder and in the folders below it.

    Names that begin with a dot and names that match `ignore` (or whole paths, where the glob has a `/`) are left out.
    Links are not followed, and are told as findings, like everything else that is no file. A folder that is not there
    is `Unavailable`; one that vanishes while it is listed is as if it had never been there.
    """
    findings: list[Finding] = []
    files = [file for page in walk(root, ignore, findings.append) for file in page]
    files.sort()
    return Listing(files, tuple(findings))


def walk(root: Path, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
    """List the files in a folder and below it, a part at a time, as `scan` does; what is passed over is told.

    The order is the same as long as nothing changes. Only names of folders are kept.
    """
    ignored = ignored_by(ignore)
    waiting: list[tuple[str, str, _Which | None]] = [(os.fspath(root), "", None)]
    page: list[File] = []
    while waiting:
        folder, below, which = waiting.pop()
        try:
            with _entries(folder, which) as entries:
                for entry in entries:
                    name = entry.name
                    if name[0] == ".":
                        continue
                    path = f"{below}/{name}"
                    if ignored and ignored(name, path):
                        continue
                    place = f"{folder}/{name}"
                    if entry.is_dir(follow_symlinks=False):
                        with suppress(FileNotFoundError):
                            seen = entry.stat(follow_symlinks=False)
                            waiting.append((place, path, (seen.st_dev, seen.st_ino)))
                    elif found := _file(entry, path, place, tell):
                        page.append(found)
                        if len(page) >= _PAGE:
                            yield page
                            page = []
        except OSError as error:
            _not_listed(root, below, error, tell)
    yield page


@contextmanager
def _entries(folder: str, which: _Which | None) -> Generator[Iterator[os.DirEntry[str]]]:
    """List a folder; one that was found in another has to be that one still, whatever was put in its place."""
    no_link = os.O_NOFOLLOW if which else 0
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | no_link)
    try:
        now = os.fstat(handle)
        if which and (now.st_dev, now.st_ino) != which:
            raise NotADirectoryError
        with os.scandir(handle) as entries:
            yield entries
    finally:
        os.close(handle)


def paths_below(root: Path, tell: Callable[[Finding], None]) -> Iterator[list[str]]:
    """List the files in a folder and below it by their paths from there, in order, without a look at any of them.

    What is passed over is told as `scan` does. Some at a time; a name that is not valid Unicode is given as the system
    gives it.
    """
    # What is still to come, the last first: folders, which end with a slash, and the files between two of them.
    waiting: list[str | list[str]] = [""]
    while waiting:
        below = waiting.pop()
        if isinstance(below, list):
            yield below
            continue
        names = _names(root, below, tell)
        together: list[str | list[str]] = []
        files: list[str] = []
        for name in names:
            if name[-1] == "/":
                together += [files, below + name] if files else [below + name]
                files = []
            else:
                files.append(below + name)
        waiting += reversed([*together, files])


def _names(root: Path, below: str, tell: Callable[[Finding], None]) -> list[str]:
    """List the names in a folder so that the paths of all that is below it come in order; folders end with a slash."""
    found: list[str] = []
    try:
        with os.scandir(root / below) as entries:
            for entry in entries:
                name = entry.name
                if name[0] == ".":
                    continue
                if entry.is_file(follow_symlinks=False):
                    found.append(name)
                elif entry.is_dir(follow_symlinks=False):
                    found.append(name + "/")
                else:
                    _file(entry, f"/{below}{name}", entry.path, tell)
    except OSError as error:
        _not_listed(root, f"/{below}".rstrip("/"), error, tell)
    # A folder to which something is added meanwhile may give a name twice.
    return sorted(set(found))


def look_at(root: Path, places: Iterable[str]) -> list[File]:
    """Describe files that `paths_below` has listed; what is gone, or no file any more, is left out."""
    found: list[File] = []
    folder = os.fspath(root)
    for place in places:
        absolute = os.path.join(folder, place)  # noqa: PTH118  # of each file: a Path costs more
        with suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(absolute)
            if S_ISREG(status.st_mode):
                found.append(_named("/" + place, absolute, status))
    return found


def _not_listed(root: Path, below: str, error: OSError, tell: Callable[[Finding], None]) -> None:
    if not below:
        raise _unavailable(root, error) from error
    # Some systems say of a link that there are too many of them.
    if not isinstance(error, FileNotFoundError | NotADirectoryError) and error.errno != errno.ELOOP:
        text = f"The folder cannot be listed ({error.strerror or error}); what is in it is not taken in."
        tell(Finding("folder-unreadable", text, Severity.WARNING, file=shown(below)))


def one_file(place: Path, path: str) -> File:
    """Describe one file that shall go by `path`; a link that a person names is followed."""
    status = place.stat()
    if not S_ISREG(status.st_mode):
        name = shown(os.fspath(place))
        raise Invalid("not-a-file", f"{name} is a pipe, a socket or a device, and no file.", path=name)
    return _named(path, os.fspath(place), status)


def shown(path: str) -> str:
    r"""Write a path so that every database and page can show it: odd bytes as `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _file(entry: os.DirEntry[str], path: str, place: str, tell: Callable[[Finding], None]) -> File | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    if S_ISREG(status.st_mode):
        return _named(path, place, status)
    if entry.is_symlink():
        text = "This is a link. Links are not followed, for what they lead to may change; put the file itself here."
        tell(Finding("link-ignored", text, Severity.WARNING, file=shown(path)))
    else:
        text = "This is a pipe, a socket or a device, and no file; it is passed over."
        tell(Finding("not-a-file", text, Severity.WARNING, file=shown(path)))
    return None


def _named(path: str, absolute: str, status: os.stat_result) -> File:
    if path.isascii():
        return File(path, absolute, status.st_size, status.st_mtime_ns, "", "", status.st_ctime_ns)
    try:
        path.encode()
    except UnicodeEncodeError:
        return File(shown(path), absolute, status.st_size, status.st_mtime_ns, NAME_FAULT, "", status.st_ctime_ns)
    return File(path, absolute, status.st_size, status.st_mtime_ns, "", "", status.st_ctime_ns)


def ignored_by(globs: Sequence[str]) -> Callable[[str, str], bool] | None:
    """Give what says whether a name, or the path with that name, matches one of the globs; None without any."""
    if not globs:
        return None
    names = [glob for glob in globs if "/" not in glob]
    try:
        paths = [compile_glob("/" + glob.lstrip("/")) for glob in globs if "/" in glob]
    except ValueError as error:
        raise Invalid("glob-malformed", f"'ignore' holds what is not a glob: {error}.") from error

    def ignored(name: str, path: str) -> bool:
        return any(name_matches(glob, name) for glob in names) or any(glob.match(path) is not None for glob in paths)

    return ignored


def _unavailable(root: Path, error: OSError) -> Unavailable:
    return Unavailable(
        "source-unavailable",
        f"The folder {shown(os.fspath(root))} cannot be listed ({error.strerror or error}); mount or create it. "
        "Other sources go on meanwhile.",
        path=shown(os.fspath(root)),
    )
