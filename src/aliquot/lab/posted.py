"""Requests that make something, done once however often they are sent."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from aliquot.db import Catalogue
from aliquot.db.tables import posted
from aliquot.model.errors import Invalid

KEPT = 86_400.0
"""Seconds for which an answer is remembered."""
LONGEST_KEY = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as its sender names it: who sent it, the key that they gave, the digest of what it says."""

    who: str
    key: str
    request: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered: an HTTP status and a JSON document; `again` when it had been answered before."""

    status: int
    document: Any
    again: bool = False


Remember = Callable[[Connection, Answer], None]
"""Remembers an answer in the transaction that makes what it tells of."""


def once(catalogue: Catalogue, sent: Sent | None, work: Callable[[Connection], Answer]) -> Answer:
    """Do `work` and remember its answer, in one transaction; a request that was answered gets the same answer.

    The key of another request is `Invalid`. Without `sent`, nothing is remembered.
    """
    if sent is None:
        return catalogue.repeat(work)
    _require_key(sent)
    try:
        return catalogue.repeat(lambda connection: _answered(connection, sent) or _new(connection, sent, work))
    except IntegrityError:
        # Two of the same came at once, and the other was quicker; any other conflict is raised again by this.
        return catalogue.repeat(lambda connection: _answered(connection, sent) or _new(connection, sent, work))


def once_beside(catalogue: Catalogue, sent: Sent | None, work: Callable[[Remember], Answer]) -> Answer:
    """Do as `once` what opens its transactions itself: `work` remembers its answer in the one that makes something."""
    if sent is None:
        return work(lambda _connection, _answer: None)
    _require_key(sent)
    with catalogue.read() as connection:
        before = _answered(connection, sent)
    if before is not None:
        return before
    try:
        return work(lambda connection, answer: _remember(connection, sent, answer))
    except IntegrityError:
        with catalogue.read() as connection:
            quicker = _answered(connection, sent)
        if quicker is None:
            raise
        return quicker


@dataclass(frozen=True, slots=True)
class Remembering:
    """The answer to a request whose work takes longer than any transaction: looked for before, kept at its end."""

    _catalogue: Catalogue
    _sent: Sent

    def __post_init__(self) -> None:
        _require_key(self._sent)

    def before(self) -> Answer | None:
        """Give the answer of the request, if it has been answered."""
        with self._catalogue.read() as connection:
            return _answered(connection, self._sent)

    def keep(self, answer: Answer) -> None:
        """Remember the answer."""
        self._catalogue.repeat(lambda connection: _remember(connection, self._sent, answer))


def _require_key(sent: Sent) -> None:
    if not sent.key or len(sent.key) > LONGEST_KEY or not sent.key.isprintable():
        raise Invalid(
            "idempotency-key-refused", f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters; give another."
        )


def _remember(connection: Connection, sent: Sent, answer: Answer) -> None:
    connection.execute(
        insert(posted).values(
            who=sent.who, key=sent.key, request=sent.request, status=answer.status,
            answer=json.dumps(answer.document, ensure_ascii=False), at=time.time(),
        )
    )  # fmt: skip


def forget(catalogue: Catalogue, now: float | None = None) -> int:
    """Forget the answers of more than a day ago, and say how many."""
    before = (time.time() if now is None else now) - KEPT
    return catalogue.repeat(lambda connection: connection.execute(delete(posted).where(posted.c.at < before)).rowcount)


def _answered(connection: Connection, sent: Sent) -> Answer | None:
    row = connection.execute(select(posted).where(posted.c.who == sent.who, posted.c.key == sent.key)).first()
    if row is None:
        return None
    if row.request != sent.request:
        raise Invalid(
            "idempotency-key-reused",
            "This Idempotency-Key was used for another request; give each request a key of its own.",
            key=sent.key,
        )
    return Answer(row.status, json.loads(row.answer), again=True)


def _new(connection: Connection, sent: Sent, work: Callable[[Connection], Answer]) -> Answer:
    answer = work(connection)
    _remember(connection, sent, answer)
    return answer
