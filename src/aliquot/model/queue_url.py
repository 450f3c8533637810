"""Where a queue of messages is."""

from urllib.parse import urlsplit


def is_queue_url(url: str) -> bool:
    """Say whether a text can be the URL of a queue: a server, and a path on it."""
    try:
        parts = urlsplit(url)
        there = parts.hostname and parts.port != 0 and parts.path.strip("/")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(there) and not any(each.isspace() for each in url)
