"""What a sign-in at another provider is tied to from its start to its return: this browser, once, and not for long."""

import hashlib
import hmac
import secrets
import time
from typing import NamedTuple

from sqlalchemy import Connection, delete

from aliquot.access.secret_words import digest_of
from aliquot.db.access_tables import spent
from aliquot.db.rows import insert_missing
from aliquot.model.errors import NotSignedIn

LASTS = 600.0
"""Seconds that somebody has at the provider."""


class Started(NamedTuple):
    """A sign-in that has begun.

    `state` goes to the provider and comes back; `nonce` has to stand in the provider's word; `verifier` proves that
    who brings the code is who asked for it. The last two follow from the first and from the browser's own word, so
    that nothing of them is kept anywhere.
    """

    state: str
    nonce: str
    verifier: str


def start(browser: str, now: float | None = None) -> Started:
    """Begin a sign-in for the browser that holds this word."""
    at = int(time.time() if now is None else now)
    said = f"{secrets.token_urlsafe(16)}.{at}"
    return _started(browser, f"{said}.{_follows(browser, 'state', said)}")


def come_back(browser: str, state: str, now: float | None = None) -> Started:
    """Give the sign-in that this browser has begun; another's, or one of too long ago, is `NotSignedIn`."""
    said, _, proof = state.rpartition(".")
    at = said.rpartition(".")[2]
    own = hmac.compare_digest(_follows(browser, "state", said).encode(), proof.encode(errors="surrogatepass"))
    since = (time.time() if now is None else now) - (int(at) if at.isdecimal() else 0)
    if not own or not 0 <= since + 1 <= LASTS:
        raise _outdated()
    return _started(browser, state)


def spend(connection: Connection, state: str) -> None:
    """Use a sign-in up: the second time, on whichever server, is `NotSignedIn`."""
    now = time.time()
    connection.execute(delete(spent).where(spent.c.at < now - 2 * LASTS))
    if not insert_missing(connection, spent, [{"digest": digest_of(state), "at": now}]):
        raise _outdated()


def _started(browser: str, state: str) -> Started:
    return Started(state, _follows(browser, "nonce", state), _follows(browser, "verifier", state))


def _follows(browser: str, kind: str, said: str) -> str:
    text = f"sign in: {kind}: {said}".encode(errors="surrogatepass")
    return hmac.new(browser.encode(errors="surrogatepass"), text, hashlib.sha256).hexdigest()


def _outdated() -> NotSignedIn:
    words = "This sign-in was begun too long ago, in another browser, or is used up; begin it again."
    return NotSignedIn("sign-in-outdated", words)
