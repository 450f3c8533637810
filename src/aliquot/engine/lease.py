"""For how long a claim holds."""

import os

from aliquot.model.errors import Invalid

_SHORTEST, _LONGEST = 1.0, 3600.0


def lease_length(text: str | None) -> float:
    """Give the seconds for which a claim holds: 60, or what `ALIQUOT_LEASE` says; `Invalid` for anything unusable."""
    if text is None:
        return 60.0
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise Invalid(
            "lease-refused",
            f"ALIQUOT_LEASE is {text!r}; give the seconds of a lease, from {_SHORTEST:g} to {_LONGEST:g}.",
            value=text,
        )
    return seconds


LEASE = lease_length(os.environ.get("ALIQUOT_LEASE"))
"""Seconds for which a claim holds unless it is renewed."""
