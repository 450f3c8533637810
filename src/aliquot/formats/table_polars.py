"""The one place that says how to get polars."""

from importlib.util import find_spec

from aliquot.model.errors import Unavailable


def require_polars() -> None:
    """Raise `Unavailable` where the extra for tables is not installed."""
    if find_spec("polars") is None:
        raise Unavailable(
            "extra-missing", "tables need polars; install it with: pip install 'aliquot[tables]'", extra="tables"
        )
