"""What a slot and its shepherd tell each other, small files included.

The shepherd, which does one thing after the other, lays small inputs out and takes small results up: the threads of
its supervisor would hand their interpreter on at each of these many short calls of the system.
"""

import marshal
import os
import stat
import struct
from collections.abc import Sequence
from typing import Any

from aliquot.executors.folder import DOCUMENT, Folder, write

MOST = 256 * 1024
"""Bytes that go with one message at most."""

SMALL = 128 * 1024
"""Files of this size and larger go no such way."""

_MOST_FILES = 256
_EXPORTS = "exports.json"
_LENGTH = struct.Struct("<I")


Packed = tuple[str, int, bytes]
"""A small file: its path, its rights, and its content."""


def send(line: int, words: dict[str, Any]) -> None:
    """Write one message. Both ends run the same interpreter, and nobody else can write there."""
    text = marshal.dumps(words)
    view = memoryview(_LENGTH.pack(len(text)) + text)
    while view:
        view = view[os.write(line, view) :]


def receive(line: int) -> dict[str, Any] | None:
    """Read one message; None when the other end is gone."""
    head = _read(line, _LENGTH.size)
    if head is None:
        return None
    text = _read(line, *_LENGTH.unpack(head))
    return None if text is None else marshal.loads(text)  # noqa: S302  # the socket is between the two of us


def _read(line: int, count: int) -> bytes | None:
    found = b""
    while len(found) < count:
        try:
            part = os.read(line, count - len(found))
        except ConnectionResetError:
            return None
        if not part:
            return None
        found = found + part if found else part
    return found


def fits(sizes: Sequence[int]) -> bool:
    """Say whether files of these sizes may travel with a message."""
    return len(sizes) <= _MOST_FILES and sum(sizes) <= MOST and max(sizes, default=0) < SMALL


def lay(folder: Folder, files: Sequence[Packed]) -> None:
    """Arrange a folder for a command that finds these files."""
    folder.arrange([path for path, _, _ in files])
    for path, mode, data in files:
        if path == DOCUMENT:
            folder.write_document(data, mode)
        else:
            write(f"{folder.path}/{path}", data, mode)


def gather(out: str) -> list[tuple[str, bytes]] | None:
    """Read what a command left in `out/`, by path with a leading `/`; None where anything is out of the ordinary."""
    found: list[tuple[str, bytes]] = []
    folders = [""]
    total = 0
    try:
        if not stat.S_ISDIR(os.lstat(out).st_mode):
            return None
        while folders:
            folder = folders.pop()
            with os.scandir(out + folder) as entries:
                for entry in entries:
                    name = entry.name
                    if not name.isascii() or name == _EXPORTS or len(found) == _MOST_FILES:
                        return None
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{folder}/{name}")
                        continue
                    data = _content(entry.path) if entry.is_file(follow_symlinks=False) else None
                    if data is None or (total := total + len(data)) > MOST:
                        return None
                    found.append((f"{folder}/{name}", data))
    except OSError:
        return None
    if len(found) > 1:
        if len({path.lower() for path, _ in found}) < len(found):
            return None
        found.sort()
    return found


def _content(path: str) -> bytes | None:
    """Read a small file in few system calls; None for one that is not small."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Memory for the most that may be there would cost more than to ask how much there is.
        size = os.fstat(handle).st_size
        return os.read(handle, size + 1) if size < SMALL else None
    finally:
        os.close(handle)
