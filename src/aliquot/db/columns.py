"""What the tables of the catalogue share: their names' convention, and kinds of columns."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")

Path = Text().with_variant(Text(collation="C"), "postgresql")
"""Paths sort by their bytes, on every database alike."""


def numbered() -> Column[int]:
    """Give a table's own number."""
    return Column("id", Id, primary_key=True, autoincrement=True)


def to(column: str, target: str, **options: object) -> Column[int]:
    """Give a column that names a row of another table."""
    return Column(column, Id, ForeignKey(target), **options)  # pyright: ignore[reportArgumentType]  # passed through
