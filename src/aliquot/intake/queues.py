"""What a queue's message comes to, and when it may be deleted."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aliquot.intake.source import Look
from aliquot.intake.wake_s3 import Named
from aliquot.intake.wakes import sources_of
from aliquot.model.errors import Invalid
from aliquot.model.lab_config import Source
from aliquot.model.queue_url import is_queue_url

_MOST_OWED = 10_000


def require_queue_url(url: str) -> None:
    """Refuse what is no URL of a queue, and do not repeat it: a variable or a secret may hold anything."""
    if not is_queue_url(url):
        raise Invalid("queue-odd", "What wake names is no URL of a queue; write https://… as its cloud shows it.")


class Message(NamedTuple):
    """A message: the queue's own handle of it, and the objects that it names."""

    handle: Any
    named: tuple[Named, ...]


class Owed:
    """Messages that have been received and not obeyed yet, with the paths at each source that they still wait for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Message, dict[str, set[str]]]] = []

    def add(self, messages: Iterable[Message], sources: Mapping[str, Source]) -> set[str]:
        """Take messages over, and give the names of the sources to look at."""
        names: set[str] = set()
        for each in messages:
            concerned = sources_of(each.named, sources)
            self._waiting.append((each, concerned))
            names |= concerned.keys()
        # What is forgotten comes again when the queue finds that nobody has deleted it.
        del self._waiting[:-_MOST_OWED]
        return names

    @property
    def busy(self) -> bool:
        """Say whether messages are owed."""
        return bool(self._waiting)

    def looked(self, name: str, look: Look) -> None:
        """Note a look at a source that began after the messages came: what does not wait there is committed."""
        pending = {each.path for each in look.pending}
        for _, concerned in self._waiting:
            if name in concerned and not look.more:
                concerned[name] &= pending

    def done(self) -> list[Message]:
        """Give the messages that have been obeyed, and forget them."""
        finished = [each for each, concerned in self._waiting if not any(concerned.values())]
        self._waiting = [each for each in self._waiting if any(each[1].values())]
        return finished
