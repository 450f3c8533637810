"""Where things lie in a store."""

from aliquot.model.blob import Location
from aliquot.model.digest import Digest, digest_bytes, hex_of

BLOBS = "blobs/"
PACKS = "packs/"
ADOPTED = "adopted/"
VERSIONS = "versions/"
AUDIT = "audit/"


def blob_key(digest: Digest) -> str:
    """Give the key of a blob that lies alone."""
    name = hex_of(digest)
    return f"{BLOBS}{name[:2]}/{name[2:]}"


def pack_key(digest: Digest) -> str:
    """Give the key of a pack."""
    name = hex_of(digest)
    return f"{PACKS}{name[:2]}/{name[2:]}"


def pins_below(digest: Digest) -> str:
    """Give what the keys of all notes begin with that say where an adopted blob lies."""
    name = hex_of(digest)
    return f"{ADOPTED}{name[:2]}/{name[2:]}/"


def pin_key(digest: Digest, size: int, note: bytes) -> str:
    """Give the key of one such note: by it alone, digest and size are known."""
    return f"{pins_below(digest)}{size}-{hex_of(digest_bytes(note))[:32]}.json"


def blob_of_pin(key: str) -> tuple[Digest, int]:
    """Give the digest and the size that the key of a note stands for."""
    _, first, rest, name = key.split("/")
    return Digest(f"blake3:{first}{rest}"), int(name.partition("-")[0])


def key_of(location: Location) -> str:
    """Give the key of the object that holds a blob."""
    return pack_key(location.pack) if location.pack else blob_key(location.digest)


def digest_of_key(key: str) -> Digest:
    """Give the digest that a blob's or pack's key stands for."""
    _, first, rest = key.split("/")
    return Digest(f"blake3:{first}{rest}")


def version_key(dataset: str, number: int) -> str:
    """Give the key of the object that names a version's digest and delta."""
    return f"{VERSIONS}{dataset}/{number:010d}.json"


def anchor_key(number: int) -> str:
    """Give the key of the object that remembers the digest of a row of the audit."""
    return f"{AUDIT}{number:012d}.json"
