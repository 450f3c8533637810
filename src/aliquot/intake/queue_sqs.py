"""An SQS queue of messages that something has arrived."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlparse

from aliquot.intake.aws import client
from aliquot.intake.queues import Message, require_queue_url
from aliquot.intake.wake_s3 import named_in
from aliquot.model.errors import Invalid, Unavailable

_MOST = 10
_LONGEST_WAIT = 20


class SqsQueue:
    """Reads one queue. A message stays until it is deleted: it comes again after the queue's visibility timeout."""

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        require_queue_url(url)
        self.url = url
        parts = urlparse(url)
        labels = (parts.hostname or "").split(".")
        region = labels[1] if len(labels) > 3 and labels[0] == "sqs" else None
        try:
            self._client: Any = client("sqs", settings, f"{parts.scheme}://{parts.netloc}", region)
        except ValueError as error:
            raise Invalid(
                "queue-refused", f"The queue cannot be asked: {error}. Correct its URL or settings."
            ) from error
        self._failed: Any = self._client.exceptions.ClientError

    def receive(self, seconds: float) -> list[Message]:
        """Wait for messages, as long as that at most; a queue that does not answer is `Unavailable`."""
        wait = max(0, min(_LONGEST_WAIT, int(seconds)))
        answer = self._ask(
            lambda: self._client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=_MOST, WaitTimeSeconds=wait)
        )
        return [
            Message(each["ReceiptHandle"], tuple(named_in(each.get("Body", "")))) for each in answer.get("Messages", ())
        ]

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages that have been obeyed."""
        for start in range(0, len(messages), _MOST):
            entries = [
                {"Id": str(number), "ReceiptHandle": each.handle}
                for number, each in enumerate(messages[start : start + _MOST])
            ]
            self._ask(lambda entries=entries: self._client.delete_message_batch(QueueUrl=self.url, Entries=entries))

    def _ask(self, call: Any) -> Any:
        from botocore.exceptions import BotoCoreError  # pyright: ignore[reportMissingImports]  # of the extra `aws`

        try:
            return call()
        except (self._failed, BotoCoreError) as error:
            sentence = (
                f"The queue {self.url} does not answer ({error}); the source is looked at by the clock meanwhile."
            )
            raise Unavailable("queue-unavailable", sentence, queue=self.url) from error
