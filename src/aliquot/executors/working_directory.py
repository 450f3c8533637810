"""The folder that a command works in, laid out for one attempt after the other."""

# Plain text paths throughout: all of this is done for every task, however small.
# ruff: noqa: PTH101, PTH102, PTH104, PTH105, PTH106, PTH108

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aliquot.blobs import Store
from aliquot.executors.attempt import Attempt, AttemptFailed
from aliquot.executors.captured import CapturedLog
from aliquot.model.task import Cause, TaskFile

_PARTS = ("in", "out", "bundle", "tmp")
_SMALL = 128 * 1024
_NONE: dict[str, int] = {}


class WorkingDirectory:
    """`in/`, `out/`, `bundle/`, `tmp/` and `task.json` in one folder, and the command's two logs beside it.

    The folder is used again: emptied after each attempt, its directories kept, because making and deleting many
    directories is slow. `shared` lets any user write where the command may write, for images with users of their own.
    `left`: the folder is one in which a command works that others have started.
    """

    def __init__(self, folder: Path, logs: Path, *, shared: bool = False, left: bool = False) -> None:
        self.folder = str(folder)
        self.out = f"{self.folder}/out"
        self._shared = shared
        folder.mkdir(parents=True, exist_ok=True)
        logs.mkdir(parents=True, exist_ok=True)
        if shared and not left:
            folder.chmod(0o755)
        self.stdout = CapturedLog(logs / "stdout", left=left)
        self.stderr = CapturedLog(logs / "stderr", left=left)
        # For each directory that was made: the names of the directories in it, with their rights.
        self._made: dict[str, dict[str, int]] = {}
        self._used = True

    def lay_out(self, attempt: Attempt, store: Store, files: Sequence[TaskFile] | None = None) -> None:
        """Put everything in place that the command may look at: a copy of each file, and `task.json`.

        `files` are those of the document that are wanted; without, all.
        """
        if self._used:
            self.clean()
        self._used = True
        document = attempt.document
        if files is None:
            files = document.files
        folders: dict[str, None] = dict.fromkeys(_PARTS)
        for file in files:
            _check_path(file.path)
            place = file.path
            while (cut := place.rfind("/")) > 0 and (place := place[:cut]) not in folders:
                folders[place] = None
        here = {f"{parent}/{name}" if parent else name for parent, names in self._made.items() for name in names}
        if here != folders.keys():
            self._arrange(here, set(folders))
        for file in files:
            attempt.check()
            self._present(file, store)
        write(f"{self.folder}/task.json", document.to_json().encode())
        if self._shared:
            os.chmod(f"{self.folder}/task.json", 0o644)

    def _arrange(self, here: set[str], wanted: set[str]) -> None:
        """Remove directories that the next attempt has no use for, and make those that are missing."""
        for place in sorted(here - wanted):
            if place.rpartition("/")[2] in self._made.get(place.rpartition("/")[0], _NONE):
                remove(f"{self.folder}/{place}")
                self._forget(place)
        for place in sorted(wanted - here):
            self._make(place)

    def clean(self) -> None:
        """Empty the folder and the logs; what cannot be emptied is put aside, and a new folder is made."""
        self.stdout.clear()
        self.stderr.clear()
        try:
            self._empty("", self.folder)
        except OSError:
            with suppress(FileNotFoundError):
                os.rename(self.folder, f"{self.folder}.aside-{os.urandom(4).hex()}")
            os.mkdir(self.folder)
            self._made.clear()
        self._used = False

    def close(self, *, keep: bool = False) -> None:
        """Close the logs and remove the folder."""
        self.stdout.close()
        self.stderr.close()
        if not keep:
            remove(self.folder)

    def _empty(self, place: str, path: str) -> None:
        """Empty one directory, save for the directories that the next attempt will find useful."""
        kept = self._made.get(place, _NONE)
        gone = set(kept)
        with os.scandir(path) as entries:
            for entry in entries:
                name = entry.name
                inner = f"{place}/{name}" if place else name
                if name in kept and _unchanged(entry, kept[name]):
                    gone.discard(name)
                    self._empty(inner, entry.path)
                else:
                    remove(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        for name in gone:
            self._forget(f"{place}/{name}" if place else name)

    def _forget(self, place: str) -> None:
        """Note that a directory is there no more, nor what was below it."""
        parent, _, name = place.rpartition("/")
        del self._made[parent][name]
        for each in [each for each in self._made if each == place or each.startswith(f"{place}/")]:
            del self._made[each]

    def _make(self, place: str) -> None:
        path = f"{self.folder}/{place}"
        try:
            os.mkdir(path)
        except FileExistsError:
            remove(path)
            os.mkdir(path)
        if self._shared:
            # An image's own user has to read everything and to write here and there, whatever our umask says.
            os.chmod(path, 0o777 if place in {"out", "tmp"} else 0o755)
        parent, _, name = place.rpartition("/")
        self._made.setdefault(parent, {})[name] = os.lstat(path).st_mode

    def _present(self, file: TaskFile, store: Store) -> None:
        path = f"{self.folder}/{file.path}"
        mode = 0o755 if file.path.startswith("bundle/") else 0o644
        if file.blob.size < _SMALL:
            write(path, store.read_checked(file.blob), mode)
        else:
            store.fetch(file.blob, Path(path))
        if self._shared or file.blob.size >= _SMALL:
            os.chmod(path, mode)


def _unchanged(entry: "os.DirEntry[str]", mode: int) -> bool:
    found = entry.stat(follow_symlinks=False)
    return found.st_mode == mode and found.st_uid == os.geteuid()


def write(path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a new file, in few system calls."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def remove(path: str) -> None:
    """Remove a file or a whole directory, without following links, and whatever a command did to its rights."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(path)
        return
    # An explicit stack: a command can nest directories deeper than Python can call.
    stack = [path]
    while stack:
        top = stack[-1]
        with suppress(PermissionError):
            os.chmod(top, 0o700)
        with os.scandir(top) as entries:
            inner = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for each, is_folder in inner:
            if is_folder:
                stack.append(each)
            else:
                os.unlink(each)
        if stack[-1] == top:
            os.rmdir(top)
            stack.pop()


def write_outcome(folder: str, text: str) -> None:
    """Write `outcome.json`, which appears with its whole content or not at all."""
    draft = f"{folder}/outcome.json.draft"
    remove(draft)
    write(draft, text.encode())
    os.replace(draft, f"{folder}/outcome.json")


def _check_path(path: str) -> None:
    parts = path.split("/")
    if len(parts) < 2 or parts[0] not in {"in", "bundle"} or any(part in {"", ".", ".."} for part in parts):
        raise AttemptFailed(
            Cause.OURS,
            f"The task document puts a file at {path!r}; files go below in/ or bundle/. Report this fault of Aliquot.",
        )
