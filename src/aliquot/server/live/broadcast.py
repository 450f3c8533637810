"""One look a second for all streams of this process, and who waits for which topic."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from aliquot.lab import Lab
from aliquot.lab.posted import forget
from aliquot.model.errors import AliquotError
from aliquot.server.live.topics import Look

log: Any = structlog.get_logger()

INTERVAL = 1.0
"""Seconds between looks."""
HEARTBEAT = 15.0
"""Seconds after which a silent stream says that it is there."""
_FORGET_EVERY = 3600
_RECENT = 300.0
"""Seconds for which it is known of a topic when it moved last; nobody takes longer to open a page's stream."""


AWAY = "away"
"""The event that says that the catalogue is out of reach."""


class Stream:
    """What one open page waits for. What moves while it is busy is told once."""

    def __init__(self, topics: Collection[str]) -> None:
        self.topics = frozenset(topics)
        self.moved: set[str] = set()
        self.woken = asyncio.Event()


class Broadcast:
    """Looks for as long as the server lives."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._streams: set[Stream] = set()
        self._look = Look()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._away = False
        self._moved_at: dict[str, float] = {}

    @property
    def streams(self) -> int:
        """Count the open streams."""
        return len(self._streams)

    @property
    def newest(self) -> int:
        """Give the number of the newest event that was looked at."""
        return self._look.newest

    def moved_lately(self, topics: Collection[str]) -> dict[str, float]:
        """Give how many seconds ago it was seen that topics moved, of those that have in the last minutes."""
        now = time.monotonic()
        return {each: now - at for each, at in self._moved_at.items() if each in topics and now - at < _RECENT}

    async def open(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End all streams, and the looking."""
        self.end_streams()
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def end_streams(self) -> None:
        """Let all streams end: their browsers come back to whichever server is there then."""
        self._closing = True
        for each in self._streams:
            each.woken.set()

    async def listen(self, topics: Collection[str]) -> AsyncIterator[set[str]]:
        """Give the topics that move, again and again; nothing in particular moved when it is an empty set.

        The first is empty, and comes as soon as nothing is missed any more.
        """
        stream = Stream(topics)
        self._streams.add(stream)
        try:
            if not self._closing:
                yield set()
            while not self._closing:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stream.woken.wait(), HEARTBEAT)
                stream.woken.clear()
                moved, stream.moved = stream.moved, set()
                if not self._closing:
                    yield moved
        finally:
            self._streams.discard(stream)

    async def _run(self) -> None:
        rounds = 0
        while True:
            try:
                # Also while nobody listens: what moves just after a page was made must not be what is known already.
                self._tell(await run_in_threadpool(self._once))
                self._away = False
                if rounds % _FORGET_EVERY == 0:
                    await run_in_threadpool(forget, self._lab.catalogue)
            except AliquotError as error:
                log.warning("the catalogue is out of reach; trying again", reason=error.message)
                self._tell_away()
            rounds += 1
            await asyncio.sleep(INTERVAL)

    def _once(self) -> set[str]:
        with self._lab.catalogue.read() as connection:
            return self._look.look(connection)

    def _tell_away(self) -> None:
        """Tell each open page once that the lab is out of reach; it finds out by itself when that has ended."""
        if not self._away:
            for each in self._streams:
                each.moved.add(AWAY)
                each.woken.set()
        self._away = True

    def _tell(self, moved: set[str]) -> None:
        now = time.monotonic()
        if moved:
            still = {each: at for each, at in self._moved_at.items() if now - at < _RECENT}
            self._moved_at = still | dict.fromkeys(moved, now)
        for each in self._streams:
            mine = moved & each.topics
            if mine:
                each.moved |= mine
                each.woken.set()
