"""What a command printed: kept whole when it is short, head and end when it is long."""

import ctypes
import os
from pathlib import Path

HEAD = 32 * 1024 * 1024
END = 32 * 1024 * 1024
"""How many bytes of a long output are kept, of its beginning and of its end."""

_SLACK = 8 * 1024 * 1024
_BLOCK = 1024 * 1024
_TAIL_BYTES = 16 * 1024
_TAIL_LINES = 20
_LINE = 2000
_PUNCH = 0x02 | 0x01
"""fallocate: free the range, keep the size."""

_libc = ctypes.CDLL(None, use_errno=True)


class CapturedLog:
    """A file that a command prints into, trimmed in the middle while it grows.

    The command writes to the file itself, so it never waits for us, and a short task costs no reading. `trim` is
    called now and then while it runs. `left`: a command writes to it that others have started.
    """

    def __init__(self, path: Path, *, left: bool = False) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.handle = os.open(path, flags if left else flags | os.O_TRUNC, 0o600)
        self._trimmed = HEAD
        self._cut = 0

    def size(self) -> int:
        """Say how many bytes were printed, dropped ones not counted where the file had to be cut."""
        return os.fstat(self.handle).st_size

    def trim(self) -> None:
        """Give the disk back what lies between head and end."""
        size = self.size()
        if size < max(self._trimmed, HEAD) + END + _SLACK:
            return
        until = (size - END) // _BLOCK * _BLOCK
        if _punch(self.handle, self._trimmed, until - self._trimmed):
            self._trimmed = until
        else:
            # No holes on this file system: all that came after the head goes, and what follows is kept.
            os.ftruncate(self.handle, HEAD)
            self._cut += size - HEAD

    @property
    def whole(self) -> bool:
        """Say whether nothing was dropped since it was cleared."""
        return self._trimmed == HEAD and not self._cut

    def content(self) -> bytes | Path | None:
        """Give what was printed: nothing, bytes, or a file with head and end and a line that says what is missing."""
        size = self.size()
        if size == 0:
            return None
        if size + self._cut <= HEAD + END:
            return os.pread(self.handle, size, 0) if size < _BLOCK else self._path
        end = min(END, size - HEAD)
        dropped = size + self._cut - HEAD - end
        extract = self._path.with_name(f"{self._path.name}.extract")
        with extract.open("wb") as file:
            self._copy(file.fileno(), 0, HEAD)
            os.write(file.fileno(), f"\n[... {dropped} bytes were left out here ...]\n".encode())
            self._copy(file.fileno(), size - end, end)
        return extract

    def last_lines(self) -> str:
        """Give the last twenty lines for a person to read; bytes that are no text are replaced."""
        size = self.size()
        if size == 0:
            return ""
        start = max(0, size - _TAIL_BYTES)
        text = os.pread(self.handle, size - start, start).decode(errors="replace")
        lines = text.rstrip("\n").split("\n")
        return "\n".join(_readable(line) for line in lines[-_TAIL_LINES:])

    def clear(self) -> None:
        """Make ready for the next command."""
        if os.fstat(self.handle).st_size or self._cut:
            os.ftruncate(self.handle, 0)
            self._path.with_name(f"{self._path.name}.extract").unlink(missing_ok=True)
        self._trimmed = HEAD
        self._cut = 0

    def close(self) -> None:
        """Close and remove the file."""
        os.close(self.handle)
        self._path.unlink(missing_ok=True)
        self._path.with_name(f"{self._path.name}.extract").unlink(missing_ok=True)

    def _copy(self, target: int, start: int, count: int) -> None:
        while count and (data := os.pread(self.handle, min(count, _BLOCK), start)):
            os.write(target, data)
            start += len(data)
            count -= len(data)


def tail(stdout: CapturedLog, stderr: CapturedLog) -> str:
    """Give the last lines of both outputs; with a heading each when both have something to say."""
    printed, complained = stdout.last_lines(), stderr.last_lines()
    if printed and complained:
        return f"standard output:\n{printed}\nstandard error:\n{complained}"
    return printed or complained


def _readable(line: str) -> str:
    # A progress bar writes over its own line; its last state is what a terminal would show.
    shown = line.rstrip("\r").rsplit("\r", 1)[-1][:_LINE]
    return "".join(each if each == "\t" or each.isprintable() else "\ufffd" for each in shown)


def _punch(handle: int, start: int, count: int) -> bool:
    fallocate = getattr(_libc, "fallocate", None)
    if fallocate is None:
        return False
    return fallocate(handle, _PUNCH, ctypes.c_long(start), ctypes.c_long(count)) == 0
