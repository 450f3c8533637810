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
    Column("described", JSON, nullable=False, comment="what is said of the files, with origins"),
    Column("state", Text, nullable=False, comment="WAITING, RELEASED, REJECTED or REPLACED"),
    Column("arrived_at", Double, nullable=False),
    Column("assigned_to", Text, comment="who shall decide"),
    to("replaces", "quarantine.id", comment="what was refused before it in the same place"),
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

quarantine_event = Table(
    "quarantine_event",
    metadata,
    numbered(),
    to("quarantine_id", "quarantine.id", nullable=False),
    Column("at", Double, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False, comment="assigned, described, released, rejected or replaced"),
    Column("text", Text, nullable=False),
    Index("ix_quarantine_event_quarantine_id", "quarantine_id"),
    comment="What people did about what waits in quarantine.",
)

awaiting = Table(
    "awaiting",
    metadata,
    Column("source", Text, nullable=False),
    Column("path", Path, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("since", Double, nullable=False),
    PrimaryKeyConstraint("source", "path"),
    comment="Files that wait for others, where a source gives up after a time.",
    sqlite_with_rowid=False,
)

source_schedule = Table(
    "source_schedule",
    metadata,
    Column("source", Text, nullable=False),
    Column("schedule", Text, nullable=False, comment="the schedule as it is written"),
    Column("covers", Double, nullable=False, comment="the time of the schedule up to which the source was looked at"),
    PrimaryKeyConstraint("source"),
    comment="Up to which time of its schedule a source was looked at.",
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
    Column("object_version", Text, nullable=False, server_default=text("''"),
           comment="in a bucket: its version, or else ETag"),
    Column("changed_ns", BigInteger, comment="a hint that a file of equal size and time is another one: its ctime"),
    Column("seen_at", Double, nullable=False),
    Column("settled_at", Double, nullable=False),
    Column("taken_at", Double, nullable=False),
    Column("decision", Text, nullable=False, comment="accepted, quarantined, unchanged, described, released, rejected "
           "or replaced"),
    Column("type", Text), Column("dataset", Text), Column("version", Integer), Column("entry_path", Path),
    to("quarantine_id", "quarantine.id"),
    Column("who", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("again", Integer, nullable=False, server_default="0", comment="how often it had been replaced and put back"),
    Column("files", Integer, comment="of a delivery: how many files; they are the entries that name the receipt"),
    UniqueConstraint("source", "path", "size", "mtime_ns", "digest", "object_version", "again",
                     name="uq_receipt_arrival"),
    Index("ix_receipt_digest", "digest"),
    Index("ix_receipt_delivery", "source", sqlite_where=text("files IS NOT NULL"),
          postgresql_where=text("files IS NOT NULL")),
    Index("ix_receipt_quarantine", "quarantine_id", sqlite_where=text("quarantine_id IS NOT NULL"),
          postgresql_where=text("quarantine_id IS NOT NULL")),
    comment="The record of one arrival.",
)  # fmt: skip

source = Table(
    "source",
    metadata,
    Column("name", Text, primary_key=True),
    Column("watch", Text, nullable=False, comment="where it looked when this was written"),
    Column("since_ns", BigInteger, comment="what had arrived before is passed over; null: nothing is"),
    Column("passed", JSON, nullable=False, comment="what had arrived in that very moment, and is passed over, too"),
    Column("woken", Integer, nullable=False, server_default="0", comment="raised by each wake-up"),
    Column("looked_at", Double),
    Column("listed", BigInteger, comment="how many files the last look saw"),
    Column("problem", Text, nullable=False, server_default=text("''"), comment="why the last look failed"),
    Column("waits", BigInteger, comment="how many files had not settled at the last look"),
    Column("waiting", JSON(none_as_null=True), comment="the first of those: path, and why it waits"),
    comment="What is known of a source beside its receipts.",
    sqlite_with_rowid=False,
)
