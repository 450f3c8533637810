"""What a warm worker and its executor share: frames in two files, and a page of memory that says how far it is.

The worker's program imports this, and nothing that is slow to load.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from mmap import mmap
from typing import Any

_SIZES = struct.Struct("<II")
_NUMBER = struct.Struct("<q")

CALLS, REPLIES, PAGE = "calls", "replies", "page"
"""The files beside a worker's folder."""

GO, LOOK, ON = b"g", b".", b"c"
"""What is said over the socket: begin a turn; there is something to look at; go on."""

PAGE_SIZE = 4096
SMALL = 128 * 1024
"""Files from this many bytes on do not travel in frames."""
MOST = 1024 * 1024
"""How many bytes of files travel in one frame."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
_decode = json.JSONDecoder().raw_decode


def frame(header: dict[str, Any], parts: Iterable[bytes] = ()) -> bytes:
    """Write a header with the bytes that belong to it."""
    text = _encode(header).encode()
    body = b"".join(parts)
    return b"".join((_SIZES.pack(len(text), len(body)), text, body))


def frames(data: bytes) -> Iterator[tuple[dict[str, Any], memoryview, int]]:
    """Read the frames that are whole, each with the place where the next begins."""
    view = memoryview(data)
    start = 0
    while start + _SIZES.size <= len(data):
        text, body = _SIZES.unpack_from(data, start)
        first = start + _SIZES.size
        end = first + text + body
        if end > len(data):
            return
        yield _decode(str(view[first : first + text], "ascii"))[0], view[first + text : end], end
        start = end


class Page:
    """How far a worker is in its turn (`current`, from 0), and before which call it has to stop (`until`).

    That may be raised while the turn lasts, when further calls are there.
    """

    def __init__(self, handle: int) -> None:
        self._memory = mmap(handle, PAGE_SIZE)

    @property
    def current(self) -> int:
        """Give the call that the worker makes, or is about to make; -1 before the first."""
        return int(_NUMBER.unpack_from(self._memory, 0)[0])

    @current.setter
    def current(self, number: int) -> None:
        _NUMBER.pack_into(self._memory, 0, number)

    @property
    def until(self) -> int:
        """Give the call before which the worker stops."""
        return int(_NUMBER.unpack_from(self._memory, 8)[0])

    @until.setter
    def until(self, number: int) -> None:
        _NUMBER.pack_into(self._memory, 8, number)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
