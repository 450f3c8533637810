"""The keys with which a provider signs: fetched, kept for a while, and fetched again when it signs with a new one."""

import threading
import time
from collections.abc import Callable
from typing import Any

from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import Token, decode

from aliquot.server.oidc.network import ask, away

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by a key pair: with a shared secret, or none, anybody could have written what is signed."""

_KEPT = 3600.0
_AGAIN = 10.0
"""Seconds between two fetches for the sake of unknown keys: who invents keys must not make us ask for each."""


class Keys:
    """The keys behind one address; may be used from several threads at once."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._set: KeySet | None = None
        self._fetched = 0.0
        self._again = -_AGAIN

    def read(self, text: str) -> Token:
        """Give what stands in a signed token whose signature is right; one that is not is a `JoseError`."""
        try:
            return decode(text, self._keys(), ALGORITHMS)
        except (InvalidKeyIdError, BadSignatureError):
            # The provider has a new key, as far as one can tell.
            if not self._forget():
                raise
            return decode(text, self._keys(), ALGORITHMS)

    def _keys(self) -> KeySet:
        with self._lock:
            now = time.monotonic()
            if self._set is None or now - self._fetched > _KEPT:
                self._set = _key_set(ask(self._address()))
                self._fetched = now
            return self._set

    def _forget(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now - self._again < _AGAIN:
                return False
            self._again, self._set = now, None
            return True


def _key_set(document: Any) -> KeySet:
    try:
        # A provider may have keys for encryption, and of kinds that nobody knows yet.
        usable = [each for each in document["keys"] if each.get("kty") in {"RSA", "EC", "OKP"}]
        usable = [each for each in usable if each.get("use", "sig") == "sig"]
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise away(f"its keys cannot be read: {type(error).__name__}") from error
