"""Work that takes its time, told line by line as it goes: how far it is, and at the end what came of it."""

import json
import threading
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from aliquot.model.errors import AliquotError, Conflict
from aliquot.server.answers import json_bytes

log: Any = structlog.get_logger()

LINES = "application/x-ndjson"
_TELL = 1.0
"""Seconds between two lines on how far it is."""
_ALIVE = 5.0
"""Seconds after which a line comes though nothing has moved."""

Progress = Callable[[int, int], None]
"""Is told how much is done, of how much."""

_one = threading.Lock()


class _Gone(Exception):
    """Nobody waits for it any more."""


class _Work:
    """The work, in a thread of its own. It ends at its next word on how far it is, once nobody listens."""

    def __init__(self, work: Callable[[Progress], Any]) -> None:
        self._work = work
        self.ended, self.left = threading.Event(), threading.Event()
        self.done: tuple[int, int] | None = None
        self.last = b""

    def start(self) -> None:
        threading.Thread(target=self._run, name="work", daemon=True).start()

    def _run(self) -> None:
        try:
            self.last = b'{"result": ' + json_bytes(self._work(self._progress)) + b"}"
        except _Gone:
            pass
        except AliquotError as error:
            self.last = json.dumps({"problem": _problem(error)}, default=str).encode()
        except Exception as error:  # a thread's last place: the asker hears of it, and the log has it
            log.exception("a fault of ours")
            words = f"This is a fault of Aliquot, not yours ({type(error).__name__}). The server's log has the details."
            self.last = json.dumps({"problem": {"title": "fault", "status": 500, "code": "our-fault",
                                                "detail": words, "facts": {}}}).encode()  # fmt: skip
        finally:
            _one.release()
            self.ended.set()

    def _progress(self, done: int, total: int) -> None:
        self.done = (done, total)
        if self.left.is_set():
            raise _Gone


def told_as_it_goes(work: Callable[[Progress], Any]) -> StreamingResponse:
    """Do work and answer with lines of JSON: `done` and `total` again and again, then `result` or `problem`.

    One such work runs at a time on a server: a second one is `Conflict`. Where the asker leaves, it ends.
    """
    if not _one.acquire(blocking=False):
        words = "This server verifies or sweeps for somebody already; wait for the end of that, then try again."
        raise Conflict("work-under-way", words)
    running = _Work(work)
    try:
        running.start()
    except BaseException:
        # A thread that never was cannot let others in at its end.
        _one.release()
        raise
    return StreamingResponse(_lines(running), headers={"x-accel-buffering": "no"}, media_type=LINES)


async def _lines(running: _Work) -> AsyncGenerator[bytes]:
    told, at = None, time.monotonic()
    try:
        while not await run_in_threadpool(running.ended.wait, _TELL):
            if running.done != told or time.monotonic() - at > _ALIVE:
                told, at = running.done, time.monotonic()
                done, total = told or (0, 0)
                yield json.dumps({"done": done, "total": total}).encode() + b"\n"
        yield running.last + b"\n"
    finally:
        running.left.set()


def _problem(error: AliquotError) -> dict[str, Any]:
    return {
        "title": error.family, "status": error.http_status, "code": error.code, "detail": error.message,
        "facts": error.facts,
    }  # fmt: skip
