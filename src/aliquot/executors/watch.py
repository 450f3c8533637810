"""Holding attempts to their limits while they run."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from aliquot.executors.attempt import Attempt
from aliquot.executors.conclusions import count_oom_kills
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.task import Cause

_INTERVAL = 0.05
_CLOSE_INTERVAL = 0.01
_LINGER = 1.0
_DISK_INTERVAL = 0.25
_PEAK_INTERVAL = 0.2
_HELD_UP = 0.25
"""Seconds of too long a sleep after which a look takes no time for over: what has ended meanwhile is heard of first."""


class Memory(Protocol):
    """Gives the bytes of memory that an attempt's processes hold; `exact` counts shared pages once."""

    def __call__(self, *, exact: bool = False) -> int:
        """Measure now."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of an attempt: bytes of memory at the peak, and the machine's count of OOM kills at the first look.

    `oom_kills` is None for one that ended before it was looked at.
    """

    peak: int
    oom_kills: int | None


@dataclass(slots=True)
class _Watched:
    attempt: Attempt
    directory: WorkingDirectory
    memory: Memory | None
    since: Callable[[], float | None]
    began: float | None = None
    ending_since: float | None = None
    next_memory: float = 0.0
    next_disk: float = 0.0
    peak: int = 0
    oom_kills: int | None = None


class Watch:
    """One thread that looks at all running attempts, many times a second.

    It trims logs, measures memory and disk, and ends what was condemned: SIGTERM first, SIGKILL after `grace`
    seconds. Attempts that take less than its interval never meet it.
    """

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self._watched: dict[Attempt, _Watched] = {}
        self._followed: dict[Callable[[], None], None] = {}
        self._wake = threading.Event()
        self._closed = False
        self._parked = False
        self._held_up = False
        self._thread = threading.Thread(target=self._run, name="aliquot-watch", daemon=True)
        self._thread.start()

    def add(
        self,
        attempt: Attempt,
        directory: WorkingDirectory,
        memory: Memory | None,
        since: Callable[[], float | None],
    ) -> None:
        """Begin to watch an attempt; `since` says when its command began, None as long as it waits for its turn."""
        self._watched[attempt] = _Watched(attempt, directory, memory, since)
        if self._parked or attempt.document.resources.memory:
            self._wake.set()

    def remove(self, attempt: Attempt) -> Seen:
        """Watch no longer; gives what was seen."""
        watched = self._watched.pop(attempt)
        return Seen(watched.peak, watched.oom_kills)

    def follow(self, look: Callable[[], None]) -> None:
        """Ask every time before looking: where several attempts are made in turn, `look` says which one runs."""
        self._followed[look] = None
        if self._parked:
            self._wake.set()

    def unfollow(self, look: Callable[[], None]) -> None:
        """Ask no longer."""
        del self._followed[look]

    def hurry(self) -> None:
        """Look now."""
        self._wake.set()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        busy_until = 0.0
        while not self._closed:
            followed = list(self._followed)
            for look in followed:
                with suppress(Exception):
                    look()
            watched = list(self._watched.values())
            now = time.monotonic()
            # Between short commands it stays up: to be woken for each of them costs more than to look now and then.
            busy_until = now + _LINGER if watched or followed else busy_until
            self._parked = now >= busy_until
            if self._parked and (self._watched or self._followed):
                continue
            for each in watched:
                # Whatever goes wrong with one look, the next one comes; without this thread no limit would hold.
                with suppress(Exception):
                    self._look(each, now)
            close = any(each.attempt.document.resources.memory for each in watched)
            interval = None if self._parked else _CLOSE_INTERVAL if close else _INTERVAL
            asleep = time.monotonic()
            if self._wake.wait(interval):
                self._wake.clear()
            late = interval is not None and time.monotonic() - asleep > interval + _HELD_UP
            # Of two looks, one judges: a machine with too much to do must not keep limits from holding.
            self._held_up = late and not self._held_up

    def _look(self, each: _Watched, now: float) -> None:
        attempt = each.attempt
        if each.began is None:
            each.began = each.since()
            attempt.running = each.began is not None
        if attempt.verdict is None and each.began is not None:
            self._judge(each, now - each.began, now)
        if attempt.verdict is None:
            return
        at_once = attempt.verdict.cause in {Cause.OOM, Cause.USER}
        if each.ending_since is None:
            each.ending_since = now
            attempt.signal(signal.SIGKILL if at_once else signal.SIGTERM)
        elif now - each.ending_since >= self.grace:
            attempt.signal(signal.SIGKILL)

    def _judge(self, each: _Watched, ran: float, now: float) -> None:
        if each.oom_kills is None:
            each.oom_kills = count_oom_kills()
        directory, limits = each.directory, each.attempt.document.resources
        directory.stdout.trim()
        directory.stderr.trim()
        if limits.time is not None and ran >= limits.time and not self._held_up:
            each.attempt.condemn(Cause.TIMEOUT, over_time(limits.time))
        if each.memory and now >= each.next_memory and (limits.memory or ran >= _INTERVAL):
            self._judge_memory(each, each.memory, limits.memory)
            each.next_memory = time.monotonic() + (_CLOSE_INTERVAL if limits.memory else _PEAK_INTERVAL)
        if limits.disk is not None and now >= each.next_disk:
            over = over_disk_limit(directory.folder, limits.disk)
            if over:
                each.attempt.condemn(Cause.USER, over)
            taken = time.monotonic() - now
            each.next_disk = now + max(_DISK_INTERVAL, 20 * taken)

    def _judge_memory(self, each: _Watched, memory: Memory, limit: int | None) -> None:
        held = memory()
        if limit is not None and held > limit:
            held = memory(exact=True)
            if held > limit:
                each.attempt.condemn(
                    Cause.OOM,
                    f"The command held {_mib(held)} of memory, more than the {_mib(limit)} that it may use, and was "
                    f"ended. Raise the step's resources.memory if it needs more.",
                )
        each.peak = max(each.peak, held)


def over_time(limit: float) -> str:
    """Say in a sentence that a command took more time than it may."""
    return (
        f"The command ran longer than the {limit:g} s that it may take and was ended. Raise the step's "
        f"resources.time if it needs more."
    )


def over_disk_limit(folder: str, limit: int) -> str | None:
    """Say in a sentence that a working directory takes more disk than it may, or None."""
    held = _disk_usage(folder)
    if held <= limit:
        return None
    return (
        f"The command's working directory takes {_mib(held)} of disk, more than the {_mib(limit)} that it may. "
        f"Raise the step's resources.disk if it needs more."
    )


def _disk_usage(folder: str) -> int:
    """Give the bytes of disk that a folder takes, without following links; what vanishes meanwhile counts nothing."""
    held = 0
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    held += _blocks(entry)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue
    return held


def _blocks(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        return 0


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
