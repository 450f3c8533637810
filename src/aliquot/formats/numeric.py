"""The one place that says how to get numpy."""

from importlib.util import find_spec

from aliquot.model.errors import Unavailable


def require_numpy() -> None:
    """Raise `Unavailable` where the extra for images and spectra is not installed."""
    if find_spec("numpy") is None:
        raise Unavailable(
            "extra-missing",
            "images and spectra need numpy; install it with: pip install 'aliquot[imaging]'",
            extra="imaging",
        )
