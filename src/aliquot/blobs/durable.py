"""Writing files that survive a power cut: written, flushed, then linked to their name."""

import errno
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE, S_ISREG

from aliquot.blobs.copying import CHUNK, copy_and_digest, digest_open
from aliquot.blobs.ownership import is_ours_alone
from aliquot.model.digest import Digest
from aliquot.model.errors import AliquotError, Conflict, Invalid, Unavailable

_ABANDONED = 24 * 3600
_LARGE = 64 * CHUNK
_BETWEEN_FLUSHES = 0.1


class Writer:
    """Writes files below a folder, durably.

    Names appear with their whole content or not at all. A name's folder is flushed by `settle`, once for many names.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._drafts = root / "drafts"
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        self._unsettled: set[Path] = set()
        self._sure: set[Path] = set()
        self._drafts.mkdir(parents=True, exist_ok=True)
        self._clear_abandoned()

    def write(self, key: str, parts: Iterable[bytes | memoryview]) -> bool:
        """Write a new file from bytes; a file of that name that is there already stays, if its bytes are the same.

        Says whether it had to be replaced, since it was damaged.
        """
        return self.finish(self.new_draft(), key, parts)

    def finish(self, draft: Path, key: str, parts: Iterable[bytes | memoryview], held: int | None = None) -> bool:
        """Write bytes at the end of a draft that is new, or has `held` bytes, and give it its name, as `write` does."""
        try:
            with draft.open("xb" if held is None else "r+b") as file:
                # It goes as abandoned when its writer was stopped for a day, and must not begin anew as its own end.
                if held is not None and file.seek(0, os.SEEK_END) != held:
                    raise OSError(errno.EIO, "a draft is not as it was written")
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            return self._link(draft, key)
        except OSError as error:
            raise storage_error(error, self.root) from error
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()

    def replace(self, key: str, data: bytes) -> None:
        """Write a file in place of one that may be there, and settle it."""
        draft = self.new_draft()
        target = self.root / key
        try:
            with draft.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self._make_folder(target.parent)
            draft.replace(target)
            with self._lock:
                self._unsettled.add(target.parent)
        except OSError as error:
            raise storage_error(error, self.root) from error
        self.settle()

    def copy(
        self, source: Path | str, name_of: Callable[[Digest], str], looked_at: os.stat_result | None = None
    ) -> tuple[Digest, int]:
        """Copy a file and digest the copy in passing; `name_of` gives the key for the digest.

        A source that changes while it is read, or another one than was looked at, is `Conflict`; nothing is kept of it.
        """
        draft = self.new_draft()
        try:
            reading = open_source(source, looked_at)
            try:
                with draft.open("xb+") as file:
                    with _flushing(file.fileno(), os.fstat(reading).st_size):
                        digest, size = _copy_unchanged(reading, file.fileno(), source)
                    os.fsync(file.fileno())
            finally:
                os.close(reading)
            self._link(draft, name_of(digest))
        except AliquotError:
            raise
        except OSError as error:
            raise storage_error(error, self.root) from error
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
        return digest, size

    def take_over(
        self, source: Path | str, digest: Digest | None, name_of: Callable[[Digest], str]
    ) -> tuple[Digest, int]:
        """Give a file its name here, without copying it where it can be ours alone; gives its digest and size.

        Whoever has written it must be gone: it must not be written any more. Without a digest it is read for one, and
        what was done to its rights and times is undone.
        """
        try:
            handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if not is_ours_alone(handle, self.root):
                    return self.copy(source, name_of)
                size = os.fstat(handle).st_size
                if digest is None:
                    with _flushing(handle, size):
                        digest = digest_open(handle, size)
                    os.fchmod(handle, S_IMODE(self.root.stat().st_mode) & 0o666)
                    # What removes files goes by their time.
                    os.utime(handle)
                os.fsync(handle)
            finally:
                os.close(handle)
            self._link(Path(source), name_of(digest))
        except OSError as error:
            # Two mounts of one disk, such as the volumes of a container, have its number both.
            if error.errno == errno.EXDEV:
                return self.copy(source, name_of)
            raise storage_error(error, self.root) from error
        return digest, size

    def settle(self) -> None:
        """Flush the folders of all names written since the last time."""
        # One at a time: whoever finds nothing left to flush must not return before it has been flushed.
        with self._settling:
            with self._lock:
                folders, self._unsettled = self._unsettled, set()
            for folder in folders:
                _flush_folder(folder)

    def _clear_abandoned(self) -> None:
        """Remove drafts that nobody has written to for a day: their writers were killed."""
        long_ago = time.time() - _ABANDONED
        for draft in self._drafts.iterdir():
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < long_ago:
                    draft.unlink()

    def new_draft(self) -> Path:
        """Give the place for a new file that shall get its name later."""
        return self._drafts / uuid.uuid4().hex

    def remove(self, key: str, before: float) -> bool:
        """Remove a file that nobody has written, or found to be there already, since `before`; says whether it is gone.

        A writer that finds it in this moment writes it anew.
        """
        target = self.root / key
        try:
            with self._no_removal(fcntl.LOCK_EX):
                if target.stat().st_mtime >= before:
                    return False
                target.unlink()
        except FileNotFoundError:
            return True
        except OSError as error:
            raise storage_error(error, self.root) from error
        return True

    def drafts(self, before: float) -> Iterator[tuple[Path, int]]:
        """List the drafts that nobody has written to since `before`, with their sizes: their writers were killed."""
        for draft in sorted(self._drafts.iterdir()):
            with suppress(FileNotFoundError):
                found = draft.stat()
                if found.st_mtime < before:
                    yield draft, found.st_size

    def _link(self, draft: Path, key: str) -> bool:
        """Give a draft its name; what has the name already is replaced if its bytes differ, for then it is damaged."""
        target = self.root / key
        self._make_folder(target.parent)
        damaged = False
        while True:
            try:
                os.link(draft, target)
                break
            except FileExistsError:
                if not self._found_again(target):
                    continue
            damaged = not _equal(draft, target)
            if damaged:
                draft.replace(target)
            break
        with self._lock:
            self._unsettled.add(target.parent)
        return damaged

    def _found_again(self, target: Path) -> bool:
        """Say that a file is wanted from now on, so that `remove` lets it be; false when it has just been removed."""
        with self._no_removal(fcntl.LOCK_SH):
            try:
                os.utime(target)
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _no_removal(self, kind: int) -> Generator[None]:
        """Keep removals and their opposite apart, between processes too; a process that is killed lets go."""
        handle = os.open(self.root / "removal.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, kind)
            yield
        finally:
            os.close(handle)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder whose own name is durable after `settle`, whoever made it."""
        if folder in self._sure:
            return
        folder.mkdir(parents=True, exist_ok=True)
        # Another process may have made it a moment ago, and not yet flushed the folders above.
        with self._lock:
            self._unsettled.update(each for each in folder.parents if each.is_relative_to(self.root))
            self._sure.add(folder)


def open_source(source: Path | str, looked_at: os.stat_result | None = None) -> int:
    """Open a file that shall be stored; one that is gone, or another one than was looked at, is `Conflict`.

    One that may not be read is `Invalid`.
    """
    try:
        # What has become a pipe since it was listed would be waited for.
        reading = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise Conflict(
            "file-vanished", f"{source} vanished before it was read; look again.", path=str(source)
        ) from error
    except (PermissionError, IsADirectoryError) as error:
        raise Invalid("file-unreadable", f"{source} cannot be read ({error.strerror}).", path=str(source)) from error
    status = os.fstat(reading)
    if not S_ISREG(status.st_mode) or (looked_at is not None and not os.path.samestat(status, looked_at)):
        os.close(reading)
        raise file_changed(source)
    return reading


def _copy_unchanged(reading: int, writing: int, source: Path | str) -> tuple[Digest, int]:
    before = os.fstat(reading)
    copied = copy_and_digest(reading, writing)
    after = os.fstat(reading)
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise file_changed(source)
    return copied


@contextmanager
def _flushing(handle: int, size: int) -> Generator[None]:
    """Flush a large file again and again while it is written: the disk works beside the copying, not after it.

    What cannot be flushed is told by the flush at the end, which the caller makes.
    """
    if size < _LARGE:
        yield
        return
    done = threading.Event()

    def flush() -> None:
        with suppress(OSError):
            while not done.wait(_BETWEEN_FLUSHES):
                os.fdatasync(handle)

    thread = threading.Thread(target=flush, name="flush")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def file_changed(source: Path | str) -> Conflict:
    """Give the error for a file that changed while it was read."""
    sentence = f"{source} changed while it was read; it is taken when it rests."
    return Conflict("file-changed", sentence, path=str(source))


def _equal(one: Path, other: Path) -> bool:
    with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
        if os.fstat(first.fileno()).st_size != os.fstat(second.fileno()).st_size:
            return False
        while data := first.read(CHUNK):
            if second.read(CHUNK) != data:
                return False
    return True


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def storage_error(error: OSError, root: Path) -> AliquotError:
    """Give the error of our own families for one of the disk's."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Unavailable(
            "store-full", f"There is no space left at {root}; free some, then try again.", path=str(root)
        )
    return Unavailable("store-unavailable", f"The store at {root} cannot be used: {error}.", path=str(root))
