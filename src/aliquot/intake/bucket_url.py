"""How buckets are written."""

from urllib.parse import unquote, urlparse

SCHEMES = ("s3", "az", "gs")


def is_bucket(url: str) -> bool:
    """Say whether this is a bucket's URL."""
    return urlparse(url).scheme in SCHEMES


def place_of(url: str) -> tuple[str, str, str]:
    """Give a bucket's scheme, its name, and the prefix without slashes at its ends."""
    parts = urlparse(url)
    return parts.scheme, parts.netloc, unquote(parts.path).strip("/")
