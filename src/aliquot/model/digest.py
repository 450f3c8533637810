"""Digests: the names of blobs and of everything else that is known by its content."""

import json
import re
from typing import NewType

from blake3 import blake3

from aliquot.model.errors import Invalid

Digest = NewType("Digest", str)
"""`blake3:` and 64 hexadecimal digits."""

PREFIX = "blake3:"
_SHAPE = re.compile(r"blake3:[0-9a-f]{64}")


def digest_bytes(data: bytes) -> Digest:
    """Digest bytes that are already in memory."""
    return Digest(PREFIX + blake3(data).hexdigest())


def digest_document(document: object) -> Digest:
    """Digest a JSON value by its canonical text: sorted names, no spaces, UTF-8."""
    return digest_bytes(canonical(document))


def canonical(document: object) -> bytes:
    """Write a JSON value in the one form over which digests are taken."""
    return _CANONICAL.encode(document).encode()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse_digest(text: str) -> Digest:
    """Read a digest; anything else is `Invalid`."""
    if not _SHAPE.fullmatch(text):
        raise Invalid("digest-malformed", f"{text!r} is not a digest; expected blake3: and 64 hex digits.")
    return Digest(text)


def hex_of(digest: Digest) -> str:
    """Give the 64 hexadecimal digits without the prefix."""
    return digest[len(PREFIX) :]


def short(digest: str) -> str:
    """Give the first twelve digits, enough for a person to recognise a digest."""
    return digest[len(PREFIX) : len(PREFIX) + 12]


EMPTY = digest_bytes(b"")
