"""Reading the queues that wake sources: a thread for each, and messages deleted once they have been obeyed."""

import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import structlog

from aliquot.intake.queue_azure import AzureQueue
from aliquot.intake.queue_sqs import SqsQueue
from aliquot.intake.queues import Message, Owed
from aliquot.intake.source import Look
from aliquot.model.errors import AliquotError
from aliquot.model.lab_config import Source

log: Any = structlog.get_logger()

_AT_ONCE = 20.0
_BETWEEN = 2.0
_AFTER_FAILURE = 30.0


class Listener:
    """Reads one queue in a thread of its own, and calls `wake` when something has come."""

    def __init__(self, source: Source, wake: Callable[[], None]) -> None:
        assert source.wake
        self.url = source.wake.sqs or source.wake.azure_queue or ""
        self._make: Callable[[], SqsQueue | AzureQueue] = lambda: (
            SqsQueue(self.url, source.settings)
            if source.wake and source.wake.sqs
            else AzureQueue(self.url, source.settings)
        )
        self._polls = source.wake.sqs is None
        self._wake = wake
        self._came: SimpleQueue[list[Message]] = SimpleQueue()
        self._delete: SimpleQueue[Sequence[Message]] = SimpleQueue()
        self._owed = Owed()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="wake-ups", daemon=True)
        self._thread.start()

    def heard(self, sources: Mapping[str, Source]) -> set[str]:
        """Give the sources that messages have named since the last time."""
        names: set[str] = set()
        while True:
            try:
                names |= self._owed.add(self._came.get_nowait(), sources)
            except Empty:
                return names

    def looked(self, name: str, look: Look) -> None:
        """Note a look that began after everything that was heard."""
        self._owed.looked(name, look)

    def settle(self) -> None:
        """Have the messages deleted that have been obeyed."""
        if done := self._owed.done():
            self._delete.put(done)

    def close(self) -> None:
        """Stop reading; a request that is under way ends by itself."""
        self._stop.set()

    def _listen(self) -> None:
        queue: SqsQueue | AzureQueue | None = None
        while not self._stop.is_set():
            try:
                queue = queue or self._make()
                self._delete_obeyed(queue)
                # What is owed is deleted soon, so that it does not come again.
                messages = queue.receive(1.0 if self._owed.busy else _AT_ONCE)
                if messages:
                    self._came.put(messages)
                    self._wake()
                elif self._polls:
                    self._stop.wait(_BETWEEN)
            except AliquotError as error:
                log.warning("wake-ups are out of reach", queue=self.url, reason=error.message)
                self._stop.wait(_AFTER_FAILURE)
            except Exception:  # a thread's last place: without it, nobody would hear of wake-ups, or of the fault
                log.exception("a fault of ours", queue=self.url)
                self._stop.wait(_AFTER_FAILURE)

    def _delete_obeyed(self, queue: SqsQueue | AzureQueue) -> None:
        while True:
            try:
                queue.delete(self._delete.get_nowait())
            except Empty:
                return


def listeners(sources: Mapping[str, Source], wake: Callable[[], None]) -> list[Listener]:
    """Begin to read each queue that sources name, once."""
    by_url: dict[str, Source] = {}
    for source in sources.values():
        if source.wake:
            by_url.setdefault(source.wake.sqs or source.wake.azure_queue or "", source)
    return [Listener(source, wake) for source in by_url.values()]
