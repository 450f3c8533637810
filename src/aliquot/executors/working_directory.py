"""The folder that a command works in, laid out for one attempt after the other."""

# Plain text paths throughout: all of this is done for every task, however small.
# ruff: noqa: PTH101, PTH105

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from aliquot.blobs import Store
from aliquot.executors.attempt import Attempt, AttemptFailed
from aliquot.executors.captured import CapturedLog
from aliquot.executors.folder import Folder, remove, write
from aliquot.executors.parcel import SMALL, Packed, fits
from aliquot.model.task import Cause, TaskDocument, TaskFile


class Hands(NamedTuple):
    """Who else works in a folder: how to have it emptied, and how to wait until they are done with it."""

    tidy: Callable[[], bool]
    settle: Callable[[], None]


class WorkingDirectory:
    """`in/`, `out/`, `bundle/`, `tmp/` and `task.json` in one folder, and the command's two logs beside it.

    The folder is used again, and emptied after each attempt. `shared` lets any user write where the command may
    write, for images with users of their own. `left`: the folder is one in which a command works that others have
    started. `logs` is where the logs lie, or a directory whose logs are this one's, too.
    """

    def __init__(
        self, folder: Path, logs: "Path | WorkingDirectory", *, shared: bool = False, left: bool = False
    ) -> None:
        self.folder = str(folder)
        self.out = f"{self.folder}/out"
        self._shared = shared
        folder.mkdir(parents=True, exist_ok=True)
        if shared and not left:
            folder.chmod(0o755)
        if isinstance(logs, WorkingDirectory):
            self.stdout, self.stderr = logs.stdout, logs.stderr
        else:
            logs.mkdir(parents=True, exist_ok=True)
            self.stdout = CapturedLog(logs / "stdout", left=left)
            self.stderr = CapturedLog(logs / "stderr", left=left)
        self._place = Folder(self.folder, shared=shared)
        self._hands: Hands | None = None
        self._in_hands = False
        self.doubted = False
        """Says that the starter does not know yet that we were at work here since its last command."""
        self._reset()

    def _reset(self) -> None:
        self.packed: Sequence[Packed] | None = None
        """What the command's starter is to lay out; None when all of it is in place."""
        self.left_files: Sequence[tuple[str, bytes]] | None = None
        """What the command has left in `out/`, when its starter took that up; it is in the folder no more."""
        self.silent = False
        """Says that the command is known to have printed nothing."""

    def hand_to(self, tidy: Callable[[], bool], settle: Callable[[], None]) -> None:
        """Let whoever starts the commands lay out what is small.

        `tidy` has the folder emptied, and says False when nobody is there to do it; `settle` returns when they have
        their hands off it.
        """
        self._hands = Hands(tidy, settle)

    def lay_out(self, attempt: Attempt, store: Store, files: Sequence[TaskFile] | None = None) -> None:
        """Put everything in place that the command may look at: a copy of each file, and `task.json`.

        `files` are those of the document that are wanted; without, all. Small files are only read here where
        somebody else lays them out.
        """
        self._reset()
        document = attempt.document
        if files is None:
            files = document.files
            small = packed(document, (store.read_checked(file.blob) for file in files)) if self._hands else None
            if small is not None:
                self.hand_over(small)
                return
        self._take_back()
        for file in files:
            _check_path(file.path)
        self._place.arrange([file.path for file in files])
        for file in files:
            attempt.check()
            self._present(file, store)
        write(f"{self.folder}/task.json", document.to_json().encode())
        if self._shared:
            os.chmod(f"{self.folder}/task.json", 0o644)

    def hand_over(self, files: Sequence[Packed]) -> None:
        """Let the command's starter lay out these files, all that the command may look at."""
        self._reset()
        self.packed = files
        self.doubted, self._in_hands = self.doubted or not self._in_hands, True

    def clean(self) -> None:
        """Empty the folder and the logs."""
        if not (self.silent and self.stdout.whole and self.stderr.whole):
            self.stdout.clear()
            self.stderr.clear()
        if self._in_hands and self.left_files is not None:
            return
        if self._in_hands and self._hands and self._hands.tidy():
            # What is large, or has filled the disk, is gone when others hear of the outcome.
            self._hands.settle()
            return
        self._take_back()
        self._place.clean()

    def close(self, *, keep: bool = False) -> None:
        """Close the logs and remove the folder."""
        self.stdout.close()
        self.stderr.close()
        if not keep:
            self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        remove(self.folder)

    def _take_back(self) -> None:
        """See that nobody else works in the folder."""
        if self._in_hands and self._hands:
            self._hands.settle()
            self._place.doubt()
            self._in_hands = False

    def _present(self, file: TaskFile, store: Store) -> None:
        path, mode = f"{self.folder}/{file.path}", _mode(file)
        if file.blob.size < SMALL:
            write(path, store.read_checked(file.blob), mode)
        else:
            store.fetch(file.blob, Path(path))
        if self._shared or file.blob.size >= SMALL:
            os.chmod(path, mode)


def packed(document: TaskDocument, contents: Iterable[bytes]) -> list[Packed] | None:
    """Give all that goes into the folder with the contents of its files; None, and nothing read, when that is much."""
    sizes = [file.blob.size for file in document.files]
    if not fits(sizes):
        return None
    text = document.to_json().encode()
    if not fits([*sizes, len(text)]):
        return None
    found: list[Packed] = [("task.json", 0o644, text)]
    for file, content in zip(document.files, contents, strict=False):
        _check_path(file.path)
        found.append((file.path, _mode(file), content))
    return found


def _mode(file: TaskFile) -> int:
    return 0o755 if file.path.startswith("bundle/") else 0o644


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
