"""Queries of people on pages, each in a process of its own, which can be ended at any moment: by whoever asked, because
they left, or because it takes too long.
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aliquot.hub.hub import Hub
from aliquot.hub.query import Rows, query
from aliquot.hub.reader import require_same_database
from aliquot.model.errors import AliquotError, Invalid, Unavailable
from aliquot.model.quantity import in_words

MOST_SECONDS = 20.0
"""For how long a query may run until it gives something."""
EXPORT_SECONDS = 900.0
"""For how long all rows of one may take."""
_AT_ONCE = 3
_PATIENCE = 2.0
"""Seconds to wait for one of these places: who waits has a thread of the server."""
_LARGEST = 32 << 20
"""Bytes of the rows of one answer; files have no such bound."""
_MEMORY = 2 << 30
"""Bytes that the process of a query may take."""
_LOOK = 0.2
_GRACE = 2.0
"""Seconds that a process has to end its query in the database, before it is killed."""
_PIECE = 1 << 16
_places = threading.BoundedSemaphore(_AT_ONCE)

Stop = Callable[[], bool]
"""Says whether nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question to a process: `format` is empty for the first `limit` rows, or how all rows are written."""

    dialect: str
    location: str
    sql: str
    limit: int
    seconds: float
    format: str = ""
    folder: str = ""
    reader: str = ""


def query_apart(
    hub: Hub, sql: str, limit: int = 1000, seconds: float = MOST_SECONDS, stop: Stop = lambda: False
) -> Rows:
    """Run one SELECT as `query` does, for `seconds` at most or until `stop`; three run at once.

    A fourth is `Unavailable`.
    """
    asked = _Asked(hub.dialect, hub.location, sql, limit, seconds, reader=hub.reader)
    with _place(hub, stop):
        said = json.loads(_bounded(_answer(asked, seconds, stop)))
    _raise_problem(said)
    return Rows(tuple(said["columns"]), tuple(said["types"]), [tuple(row) for row in said["rows"]], said["truncated"])


def csv_apart(hub: Hub, sql: str, stop: Stop = lambda: False) -> Generator[bytes]:
    """Give all rows of a SELECT as comma-separated values, piece by piece; the first comes within `MOST_SECONDS`."""
    asked = _Asked(hub.dialect, hub.location, sql, 0, MOST_SECONDS, "csv", reader=hub.reader)
    pieces = _streamed(hub, asked, stop)
    # What goes wrong before the first row is told in place of the file.
    first = next(pieces)
    return _after(first, pieces)


@contextmanager
def parquet_apart(hub: Hub, sql: str, stop: Stop = lambda: False) -> Generator[Path]:
    """Write all rows of a SELECT into a Parquet file that goes at the end."""
    with tempfile.TemporaryDirectory(prefix="aliquot-rows-", ignore_cleanup_errors=True) as folder:
        asked = _Asked(hub.dialect, hub.location, sql, 0, EXPORT_SECONDS, "parquet", folder, hub.reader)
        with _place(hub, stop):
            said = json.loads(b"".join(_answer(asked, EXPORT_SECONDS, stop)))
        _raise_problem(said)
        yield Path(said["path"])


def _after(first: bytes, pieces: Generator[bytes]) -> Generator[bytes]:
    try:
        yield first
        yield from pieces
    finally:
        pieces.close()


def _streamed(hub: Hub, asked: _Asked, stop: Stop) -> Generator[bytes]:
    with _place(hub, stop):
        pieces = _answer(asked, MOST_SECONDS, stop, whole=EXPORT_SECONDS)
        head, found, rest = next(pieces).partition(b"\n")
        while not found:
            more, found, rest = next(pieces).partition(b"\n")
            head += more
        _raise_problem(json.loads(head))
        if rest:
            yield rest
        yield from pieces


@contextmanager
def _place(hub: Hub, stop: Stop) -> Generator[None]:
    require_same_database(hub)
    deadline = time.monotonic() + _PATIENCE
    while not _places.acquire(timeout=_LOOK):
        if stop():
            raise _canceled()
        if time.monotonic() > deadline:
            raise Unavailable("hub-busy", "Other queries are under way; try again when they have ended.", hub=hub.label)
    try:
        yield
    finally:
        _places.release()


def _bounded(pieces: Generator[bytes]) -> bytes:
    answer = bytearray()
    for piece in pieces:
        answer += piece
        if len(answer) > _LARGEST:
            pieces.close()
            words = f"The rows have more than {in_words(_LARGEST)}; ask for fewer or shorter ones, or for a file."
            raise Invalid("query-too-large", words)
    return bytes(answer)


def _answer(asked: _Asked, seconds: float, stop: Stop, whole: float | None = None) -> Generator[bytes]:
    """Give what a process says, the first within `seconds` and the last within `whole`; it ends with this."""
    command = [sys.executable, "-m", "aliquot.hub.query_apart"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin, suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asdict(asked)).encode())
        began = time.monotonic()
        deadline = began + seconds
        while piece := _read(process.stdout.fileno(), deadline, seconds, stop):
            yield piece
            deadline = began + (whole or seconds)
        if process.wait(_GRACE) != 0:
            raise Unavailable("query-ended", "The query's process ended without an answer; ask for less.")
    finally:
        _end(process, gently=asked.dialect == "postgresql")
        process.stdout.close()


def _read(descriptor: int, deadline: float, seconds: float, stop: Stop) -> bytes:
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    while not ready.poll(_LOOK * 1000):
        if stop():
            raise _canceled()
        if time.monotonic() > deadline:
            words = f"The query ran for more than {seconds:.0f} seconds and was ended; narrow it down."
            raise Invalid("query-too-long", words)
    return os.read(descriptor, _PIECE)


def _end(process: "subprocess.Popen[bytes]", *, gently: bool) -> None:
    """End a process; gently as Ctrl-C does, so that it cancels its query in the database first."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT if gently else signal.SIGKILL)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _canceled() -> Invalid:
    return Invalid("query-canceled", "The query was canceled.")


def _raise_problem(said: dict[str, Any]) -> None:
    if "code" in said:
        kind = Invalid if said["family"] == "invalid" else Unavailable
        raise kind(said["code"], said["message"])


def main() -> None:
    """Answer the question on standard input."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    asked = _Asked(**json.load(sys.stdin))
    try:
        _work(asked)
    except AliquotError as error:
        sys.stdout.write(json.dumps(error.document(), default=str) + "\n")
    except (KeyboardInterrupt, BrokenPipeError):
        # Whoever asked has gone; what is still in the pipe goes nowhere.
        os._exit(1)


def _work(asked: _Asked) -> None:
    hub = Hub("sqlite" if asked.dialect == "sqlite" else "postgresql", asked.location, asked.reader)
    if asked.format == "csv":
        _write_csv(hub, asked)
        return
    if asked.format == "parquet":
        from aliquot.hub.export import export_parquet

        path = export_parquet(hub, asked.sql, asked.seconds, Path(asked.folder))
        json.dump({"path": str(path)}, sys.stdout)
        return
    json.dump(asdict(query(hub, asked.sql, asked.limit, asked.seconds)), sys.stdout, default=str)


def _write_csv(hub: Hub, asked: _Asked) -> None:
    from aliquot.hub.export import export_csv

    begun = False

    def write(data: bytes) -> None:
        nonlocal begun
        if not begun:
            sys.stdout.buffer.write(b"{}\n")
            begun = True
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    try:
        export_csv(hub, asked.sql, asked.seconds, write)
    except AliquotError as error:
        if not begun:
            raise
        # Half a file that ends like a whole one would be worse than one that breaks off.
        raise SystemExit(error.message) from error


if __name__ == "__main__":
    main()
