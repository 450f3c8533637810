"""An Azure storage queue with Event Grid's messages."""

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from aliquot.intake.queues import Message, require_queue_url
from aliquot.intake.wake_azure import named_in
from aliquot.model.errors import Invalid, Unavailable

_MOST = 32


class AzureQueue:
    """Reads one queue; it is asked, and cannot make anybody wait."""

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        require_queue_url(url)
        self.url = url
        try:
            found: Any = importlib.import_module("azure.storage.queue")
            core: Any = importlib.import_module("azure.core.exceptions")
        except ImportError as error:
            sentence = "This needs a client for Azure's queues; install it with: pip install 'aliquot[azure]'"
            raise Invalid("azure-missing", sentence, queue=url) from error
        given = {name.lower(): value for name, value in {**os.environ, **settings}.items()}
        credential = given.get("azure_storage_account_key") or given.get("azure_storage_sas_key")
        try:
            self._queue: Any = found.QueueClient.from_queue_url(url, credential=credential)
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            sentence = f"The queue cannot be asked: {reason} Correct its URL, or set azure_storage_account_key."
            raise Invalid("queue-refused", sentence) from error
        self._failed: Any = core.AzureError

    def receive(self, seconds: float) -> list[Message]:  # noqa: ARG002  # as of the other queue
        """Give the messages that are there; a queue that does not answer is `Unavailable`."""
        try:
            page: list[Any] = next(self._queue.receive_messages(messages_per_page=_MOST).by_page(), [])
            return [Message(each, tuple(named_in(each.content))) for each in page]
        except self._failed as error:
            raise self._unavailable(error) from error

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages that have been obeyed; one that has come again meanwhile stays."""
        missing: Any = importlib.import_module("azure.core.exceptions").ResourceNotFoundError
        for each in messages:
            try:
                self._queue.delete_message(each.handle)
            except missing:
                continue
            except self._failed as error:
                raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> Unavailable:
        reason = str(error).partition("\n")[0]
        sentence = f"The queue {self.url} does not answer ({reason}); the source is looked at by the clock meanwhile."
        return Unavailable("queue-unavailable", sentence, queue=self.url)
