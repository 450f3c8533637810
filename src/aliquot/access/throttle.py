"""How often somebody may try to sign in: counted in the catalogue, so that several servers count together."""

import time
from collections.abc import Mapping

from sqlalchemy import Connection, delete, select, update

from aliquot.access.secret_words import digest_of
from aliquot.db.access_tables import throttle
from aliquot.db.rows import insert_missing
from aliquot.model.errors import TooOften

FREE = {"name": 5, "place": 30}
"""Tries by name and by address that cost nothing; each further one doubles the wait."""

_FIRST, _LONGEST = 2.0, 900.0
"""Seconds to wait after the first try that costs, and at most."""

_FORGOTTEN = 3600.0
"""Seconds after the last try when it is forgotten."""


def count_try(connection: Connection, keys: Mapping[str, str], now: float | None = None) -> None:
    """Count a try before it is made, by name and by address; one that comes too early is `TooOften`.

    `keys` gives the name under `name` and the address under `place`. Counting first means that many tries at once
    are counted, too.
    """
    at = time.time() if now is None else now
    connection.execute(delete(throttle).where(throttle.c.last_at < at - _FORGOTTEN, throttle.c.until < at))
    # In one order everywhere, so that two tries never wait for each other.
    for kind in sorted(keys):
        _count(connection, kind, _key(kind, keys[kind]), at)


def forget(connection: Connection, name: str, place: str) -> None:
    """Forget the tries of a name, since the right password was given, and this one try of its address.

    Many people may have one address: those who sign in rightly must not use up its tries.
    """
    connection.execute(delete(throttle).where(throttle.c.key == _key("name", name)))
    this = (throttle.c.key == _key("place", place), throttle.c.tries > 0)
    connection.execute(update(throttle).where(*this).values(tries=throttle.c.tries - 1, until=0.0))


def is_first(connection: Connection, kind: str, value: str, now: float | None = None) -> bool:
    """Say whether this is the first of its kind in an hour, and count it if it is."""
    at, key = time.time() if now is None else now, _key(kind, value)
    insert_missing(connection, throttle, [{"key": key, "tries": 0, "until": 0.0, "last_at": 0.0}])
    this = (throttle.c.key == key, throttle.c.last_at <= at - _FORGOTTEN)
    return connection.execute(update(throttle).where(*this).values(last_at=at)).rowcount == 1


def was_there(connection: Connection, kind: str, value: str, now: float | None = None) -> bool:
    """Say whether `is_first` would be false, without writing anything."""
    at = time.time() if now is None else now
    this = (throttle.c.key == _key(kind, value), throttle.c.last_at > at - _FORGOTTEN)
    return connection.execute(select(throttle.c.key).where(*this)).first() is not None


def _count(connection: Connection, kind: str, key: str, at: float) -> None:
    insert_missing(connection, throttle, [{"key": key, "tries": 0, "until": 0.0, "last_at": at}])
    row = connection.execute(select(throttle).where(throttle.c.key == key).with_for_update()).one()
    if row.until > at:
        seconds = max(1, round(row.until - at))
        words = f"There were too many tries to sign in; wait {seconds} s, then try again."
        raise TooOften("sign-in-throttled", words, seconds=seconds)
    over = row.tries + 1 - FREE[kind]
    # Of two tries at once, the later one may be counted first: without a wait, nothing must be left of its time.
    until = at + min(_FIRST * 2 ** min(over, 20), _LONGEST) if over >= 0 else 0.0
    values = {"tries": row.tries + 1, "until": until, "last_at": at}
    connection.execute(update(throttle).where(throttle.c.key == key).values(values))


def _key(kind: str, value: str) -> str:
    # As a digest: what somebody types for a name may be anything, a password included.
    return f"{kind}:{digest_of(value)}"
