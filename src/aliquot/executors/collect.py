"""Taking up what a command left in `out/`."""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unicodedata import normalize

from aliquot.blobs import Batch
from aliquot.executors.attempt import Attempt, AttemptFailed
from aliquot.model.blob import Blob
from aliquot.model.task import Cause, OutputFile

EXPORTS = "exports.json"
_SMALL = 128 * 1024
_EXPORTS_LIMIT = 1024 * 1024
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def collect_outputs(attempt: Attempt, out: str, batch: Batch, *, gone: bool) -> tuple[OutputFile, ...]:
    """Store every regular file below `out/`, in the order of their paths.

    `gone`: nobody is left who could write to them, and large ones are not copied where they can become blobs as they
    lie there. Empty directories are no outputs, nor is `exports.json` at the top. Anything else than a file or a
    directory, and a name that is not UTF-8, is the user's error and is named; so are two names that differ only in
    case.
    """
    found: list[OutputFile] = []
    for path in _files(out):
        attempt.check()
        blob = _store(out + path, path, batch, gone=gone)
        found.append(OutputFile(path, blob.digest, blob.size))
    return tuple(found)


def keep_files(files: Iterable[tuple[str, bytes]], batch: Batch) -> tuple[OutputFile, ...]:
    """Store files that were taken up already, in the order of their paths."""
    return tuple([OutputFile(path, batch.add_bytes(data).digest, len(data)) for path, data in files])


def read_exports(out: str) -> Any:
    """Give the content of `out/exports.json`, None without one; anything but JSON is the user's error."""
    path = f"{out}/{EXPORTS}"
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise _refused(f"/{EXPORTS}", found.st_mode)
    if found.st_size > _EXPORTS_LIMIT:
        raise AttemptFailed(
            Cause.USER,
            f"out/{EXPORTS} has {found.st_size} bytes; it may have {_EXPORTS_LIMIT}. Write large results to a file "
            f"of their own.",
        )
    try:
        value = json.loads(Path(path).read_bytes(), parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise AttemptFailed(
            Cause.USER, f"out/{EXPORTS} is not JSON: {error}. Correct what the command writes there."
        ) from error
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _files(out: str) -> list[str]:
    """List the regular files below `out`, as paths with a leading `/`, sorted."""
    try:
        if not stat.S_ISDIR(os.lstat(out).st_mode):
            raise AttemptFailed(
                Cause.USER, "The command replaced its folder out/ by something else; leave it in place."
            )
    except FileNotFoundError:
        raise AttemptFailed(Cause.USER, "The command removed its folder out/; leave it in place.") from None
    paths: list[str] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        with _open_folder(out, folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif not entry.is_file(follow_symlinks=False):
                    raise _refused(path, entry.stat(follow_symlinks=False).st_mode)
                elif path != f"/{EXPORTS}":
                    paths.append(path)
                if not entry.name.isascii():
                    _check_name(path)
    paths.sort()
    if len(paths) > 1:
        _check_apart(paths)
    return paths


def _open_folder(out: str, folder: str) -> AbstractContextManager[Iterator["os.DirEntry[str]"]]:
    try:
        return os.scandir(out + folder)
    except PermissionError as error:
        raise _unreadable(folder) from error


def _unreadable(path: str) -> AttemptFailed:
    shown = os.fsencode(path).decode(errors="backslashreplace")
    return AttemptFailed(Cause.USER, f"out{shown} cannot be read; let the command leave it with the right to read it.")


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise AttemptFailed(Cause.USER, f"The name of out{shown} is not UTF-8; give the file a name that is.") from None


def _check_apart(paths: list[str]) -> None:
    """Refuse names that a file system which takes no notice of case, or of how accents are written, cannot hold."""
    folded = {path.lower() if path.isascii() else normalize("NFC", path).casefold(): path for path in paths}
    if len(folded) == len(paths):
        return
    first = {path.lower() if path.isascii() else normalize("NFC", path).casefold(): path for path in reversed(paths)}
    name = next(each for each, path in folded.items() if first[each] != path)
    raise AttemptFailed(
        Cause.USER,
        f"out{first[name]} and out{folded[name]} have one name on file systems that take no notice of case; give one "
        f"of them another.",
    )


def _refused(path: str, mode: int) -> AttemptFailed:
    kind = _KINDS.get(stat.S_IFMT(mode), "not a file")
    shown = os.fsencode(path).decode(errors="backslashreplace")
    return AttemptFailed(
        Cause.USER,
        f"out{shown} is {kind}; only files can be kept. Copy the content into a regular file, or write it elsewhere.",
    )


def _store(path: str, shown: str, batch: Batch, *, gone: bool) -> Blob:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            size = os.fstat(handle).st_size
            if size >= _SMALL:
                return batch.take_over(path) if gone else batch.add_file(path)
            return batch.add_bytes(os.read(handle, _SMALL))
        finally:
            os.close(handle)
    except PermissionError as error:
        raise _unreadable(shown) from error
