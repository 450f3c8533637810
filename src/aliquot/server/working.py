"""Work that takes its time, told line by line as it goes: how far it is, and at the end what came of it."""

import json
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Literal

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from aliquot.lab.posted import Answer, Remembering
from aliquot.model.errors import AliquotError, Conflict
from aliquot.server.answers import json_bytes, plain_values

log: Any = structlog.get_logger()

LINES = "application/x-ndjson"
_TELL = 1.0
"""Seconds between two lines on how far it is."""
_ALIVE = 5.0
"""Seconds after which a line comes though nothing has moved."""

Progress = Callable[[int, int, str], None]
"""Is told how much is done, of how much, and what was done last, if that has a name."""

Turn = Literal["upkeep", "audit", "load", "reproduce"]
_DOES: Mapping[Turn, str] = {
    "upkeep": "verifies or sweeps",
    "audit": "proves the audit",
    "load": "loads tables again",
    "reproduce": "makes files again",
}
_turns: Mapping[Turn, threading.Lock] = {each: threading.Lock() for each in _DOES}
"""One of each kind at a time."""


class _Gone(Exception):
    """Nobody waits for it any more."""


class _Work:
    """The work, in a thread of its own. It ends at its next word on how far it is, once nobody wants it any more."""

    def __init__(self, work: Callable[[Progress], Any], turn: threading.Lock, kept: Remembering | None) -> None:
        self._work = work
        self._turn = turn
        self._kept = kept
        self.ended, self.unwanted = threading.Event(), threading.Event()
        self.done: tuple[int, int, str] | None = None
        self.last = b""

    def start(self) -> None:
        threading.Thread(target=self._run, name="work", daemon=True).start()

    def leave(self) -> None:
        """Listen no more: what is remembered goes on for whoever comes back, and all else ends."""
        if self._kept is None:
            self.unwanted.set()

    def _run(self) -> None:
        try:
            result = self._work(self._progress)
            if self._kept:
                self._kept.keep(Answer(200, plain_values(result)))
            self.last = _last(result)
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
            _under_way.discard(self)
            self._turn.release()
            self.ended.set()

    def _progress(self, done: int, total: int, what: str = "") -> None:
        self.done = (done, total, what)
        if self.unwanted.is_set():
            raise _Gone


_under_way: set[_Work] = set()


def told_as_it_goes(
    work: Callable[[Progress], Any], *, turn: Turn = "upkeep", kept: Remembering | None = None
) -> Response:  # fmt: skip
    """Do work and answer with lines of JSON: `done` and `total` again and again, then `result` or `problem`.

    One such work of a kind runs at a time on a server: a second one is `Conflict`. Where the asker leaves, it ends.
    With `kept` it does not: its result is remembered, and whoever sends the same request again gets it.
    """
    if not _turns[turn].acquire(blocking=False):
        words = f"This server {_DOES[turn]} for somebody already; wait for the end of that, then try again."
        raise Conflict("work-under-way", words)
    running = _Work(work, _turns[turn], kept)
    try:
        before = kept.before() if kept else None
        if before is None:
            _under_way.add(running)
            running.start()
    except BaseException:
        # A thread that never was cannot let others in at its end.
        _under_way.discard(running)
        _turns[turn].release()
        raise
    if before is not None:
        _turns[turn].release()
        return Response(_last(before.document) + b"\n", media_type=LINES)
    return StreamingResponse(_lines(running), headers={"x-accel-buffering": "no"}, media_type=LINES)


def end_works(seconds: float) -> None:
    """Let what is under way end with its server, which leaves nothing behind, and wait for it so long."""
    deadline = time.monotonic() + seconds
    for each in list(_under_way):
        each.unwanted.set()
    for each in list(_under_way):
        each.ended.wait(max(0.0, deadline - time.monotonic()))


async def _lines(running: _Work) -> AsyncGenerator[bytes]:
    told, at = None, time.monotonic()
    try:
        while not await run_in_threadpool(running.ended.wait, _TELL):
            if running.done != told or time.monotonic() - at > _ALIVE:
                told, at = running.done, time.monotonic()
                done, total, what = told or (0, 0, "")
                yield json.dumps({"done": done, "total": total, "what": what}).encode() + b"\n"
        yield running.last + b"\n"
    finally:
        running.leave()


def _last(result: Any) -> bytes:
    return b'{"result": ' + json_bytes(result) + b"}"


def _problem(error: AliquotError) -> dict[str, Any]:
    return {
        "title": error.family, "status": error.http_status, "code": error.code, "detail": error.message,
        "facts": error.facts,
    }  # fmt: skip
