"""Facts: the catalogue's tables, migrations and transactions, on SQLite and PostgreSQL."""

from aliquot.db.catalogue import Catalogue, open_catalogue

__all__ = ["Catalogue", "open_catalogue"]
