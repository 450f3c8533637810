"""Cursors: where a list goes on, as an opaque word."""

import base64
import binascii

from aliquot.model.errors import Invalid


def write_cursor(number: int) -> str:
    """Write where the next page begins."""
    return base64.urlsafe_b64encode(f"v1:{number}".encode()).decode().rstrip("=")


def read_cursor(text: str | None) -> int | None:
    """Read what `write_cursor` wrote; None stays None, anything else is `Invalid`."""
    if not text:
        return None
    try:
        said = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        kind, _, number = said.partition(":")
        if kind == "v1" and number.isdecimal() and len(number) < 19:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise Invalid("cursor-refused", "This is not a cursor that a list gave; begin the list again without it.")
