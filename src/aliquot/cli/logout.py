"""`aliquot logout`: beside `aliquot login`."""

from aliquot.cli.login import out as app

__all__ = ["app"]
