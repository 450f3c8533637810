"""What a function gave: files in `out/`, files that it returned, exports. Loaded by the worker's program."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from aliquot.executors.warm_wire import MOST, SMALL
from aliquot.model.function import Files

_EXPORTS = "exports.json"
_MOST_EXPORTS = 1024 * 1024


class ResultsRefused(Exception):
    """What a function returned or left cannot be its result."""


class Results:
    """The results of one call. With `look`, they lie in `out/` for the executor to collect; else they are here.

    Where threads are left, each call has a folder of its own name: what an earlier call still writes reaches no later
    one. A function that does not ask for the folder (`wanted`) has none.
    """

    def __init__(self, folder: str, *, wanted: bool) -> None:
        self._folder = folder
        self.wanted = wanted
        self._number = 0
        self._kept = False
        self.out = ""
        self.clear()

    def open(self) -> str:
        """Make the folder for the next call's files, if it is wanted; gives its path."""
        if self._kept:
            return self.out
        self._number += 1
        self.out = f"{self._folder}/out-{self._number}"
        if self.wanted:
            os.mkdir(self.out)  # noqa: PTH102  # for every datum
        return self.out

    def clear(self) -> None:
        """Make ready for the next call."""
        self.files: list[tuple[str, bytes]] = []
        self.exports: Any = None
        self.look = False

    def clean(self) -> None:
        """Empty the call's folder; `OSError` when it is gone, or when somebody still writes there.

        It serves the next call as well where the process has no other thread that might still write; else it is
        removed.
        """
        self._kept = False
        if not self.wanted:
            return
        alone = len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208
        for name in os.listdir(self.out):  # noqa: PTH208  # for every datum
            remove(f"{self.out}/{name}")
        if alone and self.out.endswith(f"-{self._number}"):
            self._kept = True
        else:
            os.rmdir(self.out)  # noqa: PTH106

    def keeps(self, name: str) -> bool:
        """Say whether an entry of the worker's folder is the one that serves the next call, too."""
        return self._kept and self.out == f"{self._folder}/{name}"

    def take(self, value: Any, *, look: bool) -> None:
        """Take what a function returned, together with what it left in `out/`."""
        returned, exports = _returned(value)
        left = None if look else self._collect() if self.wanted else []
        if left is None:
            self._write(returned, exports)
            self.look = True
            return
        paths = {path for path, _ in left}
        for path, _ in returned:
            if path in paths:
                raise ResultsRefused(f"The function both wrote and returned {path}; give a file in one way.")
        together = [*left, *returned]
        if returned and (any(len(data) >= SMALL for _, data in returned) or _total(together) > MOST):
            self._write(returned, exports)
            self.look = True
            return
        self.exports = exports
        self.files = sorted(together) if len(together) > 1 else together

    def _collect(self) -> list[tuple[str, bytes]] | None:
        """Read the files in `out/`; None where anything is out of the ordinary, for the executor to judge."""
        found: list[tuple[str, bytes]] = []
        folders = [""]
        total = 0
        try:
            while folders:
                folder = folders.pop()
                with os.scandir(self.out + folder) as entries:
                    for entry in entries:
                        path = f"{folder}/{entry.name}"
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(path)
                            continue
                        data = _content(entry)
                        if data is None or path == f"/{_EXPORTS}" or not _is_text(path):
                            return None
                        total += len(data)
                        if total > MOST:
                            return None
                        found.append((path, data))
        except OSError:
            return None
        return found

    def _write(self, files: list[tuple[str, bytes]], exports: Any) -> None:
        """Put everything into the folder, and show it to the executor as `out/`."""
        if not self.wanted:
            Path(self.out).mkdir()
        if exports is not None:
            files = [*files, (f"/{_EXPORTS}", json.dumps(exports).encode())]
        for path, data in files:
            place = Path(self.out + path)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("xb") as file:
                    file.write(data)
            except (FileExistsError, NotADirectoryError):
                raise ResultsRefused(f"The function both wrote and returned {path}; give a file in one way.") from None
        shown = f"{self._folder}/out"
        if os.path.lexists(shown):
            remove(shown)
        # One that the function has removed is missed by the executor.
        with suppress(FileNotFoundError):
            Path(self.out).rename(shown)
        self.out = shown


def remove(path: str) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    try:
        os.unlink(path)  # noqa: PTH108  # for every datum
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(path)


def _returned(value: Any) -> tuple[list[tuple[str, bytes]], Any]:
    """Give the files and exports that a function returned."""
    if value is None:
        return [], None
    if isinstance(value, Files):
        files = [(_path(path), data.encode() if isinstance(data, str) else _bytes(path, data))
                 for path, data in value.items()]  # fmt: skip
        if len({path for path, _ in files}) < len(files):
            raise ResultsRefused("The function returned a file twice, with and without a '/' in front.")
        return files, None if value.exports is None else _exports(dict(value.exports))
    if isinstance(value, dict):
        return [], _exports(value)
    raise ResultsRefused(
        f"The function returned a {type(value).__name__}; return None, a dict of exports, or aliquot.Files."
    )


def _exports(value: Any) -> Any:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultsRefused(
            f"The function returned a dict that is no JSON ({error}); return files as aliquot.Files."
        ) from None
    if len(text) > _MOST_EXPORTS:
        raise ResultsRefused("The function returned exports of more than 1 MiB; write large results to a file.")
    return json.loads(text)


def _path(path: Any) -> str:
    parts = str(path).removeprefix("/").split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in parts) or not _is_text(str(path)):
        raise ResultsRefused(f"The function returned a file named {path!r}; name it by its path below out/.")
    if parts == [_EXPORTS]:
        raise ResultsRefused("The function returned a file exports.json; give exports as Files(…, exports=…).")
    return "/" + "/".join(parts)


def _bytes(path: Any, data: Any) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise ResultsRefused(f"The function returned {path!r} as a {type(data).__name__}; files are bytes or str.")


def _content(entry: "os.DirEntry[str]") -> bytes | None:
    if not entry.is_file(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_size >= SMALL:
        return None
    handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        data = os.read(handle, SMALL)
        return None if len(data) >= SMALL else data
    finally:
        os.close(handle)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _total(files: list[tuple[str, bytes]]) -> int:
    return sum(len(data) for _, data in files)
