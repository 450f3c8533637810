"""Passwords: what is taken for one, and how they are kept and compared."""

import threading
from functools import cache
from typing import TYPE_CHECKING

from aliquot.model.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 12, 1024

# A comparison takes 64 MiB: many sign-ins at once must not take all memory.
_AT_ONCE = threading.Semaphore(4)


def hash_password(password: str, name: str) -> str:
    """Give the argon2id hash of a new password; one that is too easily guessed is `Invalid`."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid("password-refused", f"A password has {SHORTEST} to {LONGEST:,} characters; choose another one.")
    if len(set(password)) < 5 or name in password.lower():
        raise Invalid("password-refused", "This password is too easily guessed; a few unrelated words make a good one.")
    with _AT_ONCE:
        return _hasher().hash(password.encode(errors="surrogatepass"))


def is_right(password: str, hashed: str | None) -> bool:
    """Say whether a password is the one of a hash. Without a hash it takes as long, and is wrong."""
    from argon2.exceptions import InvalidHashError, VerificationError

    known = hashed or _nobodys()
    with _AT_ONCE:
        try:
            _hasher().verify(known, password[:LONGEST].encode(errors="surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False
    return hashed is not None


def is_old(hashed: str) -> bool:
    """Say whether a hash was made with weaker settings than are used now."""
    return _hasher().check_needs_rehash(hashed)


@cache
def _hasher() -> "PasswordHasher":
    try:
        from argon2 import PasswordHasher
    except ModuleNotFoundError as error:
        raise Unavailable(
            "extra-missing", "Passwords need argon2-cffi; install it with: pip install 'aliquot[server]'"
        ) from error
    return PasswordHasher()


@cache
def _nobodys() -> str:
    """Give a hash that no password has, so that an unknown name takes as long to refuse as a wrong password."""
    return _hasher().hash("nobody's password")
