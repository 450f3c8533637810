"""Words that open something: made at random, shown once, kept as digests alone."""

import hashlib
import hmac
import secrets


def new_word(prefix: str = "") -> str:
    """Make a word of 256 random bits; a prefix tells people and scanners what it opens."""
    return prefix + secrets.token_urlsafe(32)


def digest_of(word: str) -> str:
    """Give the digest under which a word is kept. It needs no salt: nobody can go through 256 bits."""
    return hashlib.sha256(word.encode(errors="surrogatepass")).hexdigest()


def form_word(session_word: str) -> str:
    """Give the word that the forms of a session carry, so that no other site can send them."""
    return hmac.new(session_word.encode(errors="surrogatepass"), b"form", hashlib.sha256).hexdigest()


def is_form_word(session_word: str, given: str) -> bool:
    """Say whether a form carries its session's word, in a time that tells nothing."""
    return hmac.compare_digest(form_word(session_word).encode(), given.encode(errors="surrogatepass"))
