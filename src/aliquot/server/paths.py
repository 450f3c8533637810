"""What paths name."""

from aliquot.model.errors import Missing

_DIGITS = 18


def whole_number(text: str) -> int:
    """Read the number of something in a path; what is no number names nothing: `Missing`."""
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise Missing("address-missing", "There is nothing at this address; look for it from the front page.")
    return int(text)
