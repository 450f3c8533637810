"""The tables of what comes in: quarantine and receipts."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from aliquot.db.columns import Path, metadata, numbered, to

quarantine = Table(
    "quarantine",
    metadata,
    numbered(),
    Column("source", Text, nullable=False),
    Column("path", Path, nullable=False),
    Column("type", Text),
    Column("into", Text, comment="the dataset for which it was meant"),
    Column("findings", JSON, nullable=False),
    Column("counts", JSON, nullable=False, comment="how many findings of each code"),
    Column("state", Text, nullable=False, comment="WAITING, RELEASED or REJECTED"),
    Column("arrived_at", Double, nullable=False),
    Column("decided_at", Double),
    Column("decided_by", Text),
    Column("because", Text),
    Column("version", Integer),
    Column("project", Text, nullable=False, server_default="lab"),
    Index("ix_quarantine_state", "state", "arrived_at"),
)

held_file = Table(
    "held_file",
    metadata,
    to("quarantine_id", "quarantine.id", nullable=False),
    Column("path", Path, nullable=False, comment="the path that it would have in a dataset"),
    Column("digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    PrimaryKeyConstraint("quarantine_id", "path"),
    Index("ix_held_file_digest", "digest"),
    comment="The files that quarantine holds.",
    sqlite_with_rowid=False,
)

receipt = Table(
    "receipt",
    metadata,
    numbered(),
    Column("source", Text, nullable=False),
    Column("path", Path, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("settled_at", Double, nullable=False),
    Column("taken_at", Double, nullable=False),
    Column("decision", Text, nullable=False, comment="accepted, quarantined, unchanged, released or rejected"),
    Column("type", Text), Column("dataset", Text), Column("version", Integer), Column("entry_path", Path),
    to("quarantine_id", "quarantine.id"),
    Column("who", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("again", Integer, nullable=False, server_default="0", comment="how often it had been replaced and put back"),
    Column("files", Integer, comment="of a delivery: how many files; they are the entries that name the receipt"),
    UniqueConstraint("source", "path", "size", "mtime_ns", "digest", "again"),
    Index("ix_receipt_digest", "digest"),
    Index("ix_receipt_delivery", "source", sqlite_where=text("files IS NOT NULL"),
          postgresql_where=text("files IS NOT NULL")),
    Index("ix_receipt_quarantine", "quarantine_id", sqlite_where=text("quarantine_id IS NOT NULL"),
          postgresql_where=text("quarantine_id IS NOT NULL")),
    comment="The record of one arrival.",
)  # fmt: skip
