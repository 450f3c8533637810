"""The tables of bytes, datasets and intake."""

import sqlalchemy as sa
from alembic import op

PATH = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
PUT_BACK = "how often it had been replaced and put back"
DELIVERY = "of a delivery: how many files; they are the entries that name the receipt"
OBJECT_VERSION = "in a bucket: its version, or else ETag"
CHANGED = "a hint that a file of equal size and time is another one: its ctime"

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "blob",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("pack", sa.Text(), nullable=True, comment="null: the blob lies alone"),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column(
            "adopted",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="it lies where it came from, and the store has but a note of it",
        ),
        sa.Column("doomed_at", sa.Double(), nullable=True, comment="when sweep found that nothing needs it"),
        sa.Column(
            "swept_at",
            sa.Double(),
            nullable=True,
            comment="when sweep removed it: the row tells of bytes that are gone",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blob")),
        comment="Where each blob lies.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "preview",
        sa.Column("source", sa.Text(), nullable=False, comment="digest of the file that it shows"),
        sa.Column(
            "beside", sa.Text(), nullable=False, comment="digest of the file that belongs to it; empty without one"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "part", sa.Text(), nullable=False, comment="summary, or a file that pages and pictures are read from"
        ),
        sa.Column("code", sa.Integer(), nullable=False, comment="version of the code that made it"),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=False, comment="to the day"),
        sa.PrimaryKeyConstraint("source", "beside", "kind", "part", name=op.f("pk_preview")),
        comment="What is kept of files to show them; made again when it is gone.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_preview_digest", "preview", ["digest"], unique=False)
    op.create_index(
        "ix_blob_doomed",
        "blob",
        ["doomed_at"],
        unique=False,
        sqlite_where=sa.text("doomed_at IS NOT NULL"),
        postgresql_where=sa.text("doomed_at IS NOT NULL"),
    )
    op.create_table(
        "emptied_pack",
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("emptied_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("pack", name=op.f("pk_emptied_pack")),
        comment="Packs whose last blobs sweep has moved elsewhere; they go when nobody can be reading them any more.",
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("head", sa.Integer(), nullable=False, comment="the newest version's number; 0 before the first"),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("project", sa.Text(), server_default="lab", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("name", name=op.f("uq_dataset_name")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", PATH, nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("into", sa.Text(), nullable=True, comment="the dataset for which it was meant"),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False, comment="how many findings of each code"),
        sa.Column("described", sa.JSON(), nullable=False, comment="what is said of the files, with origins"),
        sa.Column("state", sa.Text(), nullable=False, comment="WAITING, RELEASED, REJECTED or REPLACED"),
        sa.Column("arrived_at", sa.Double(), nullable=False),
        sa.Column("assigned_to", sa.Text(), nullable=True, comment="who shall decide"),
        sa.Column(
            "replaces",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="what was refused before it in the same place",
        ),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("project", sa.Text(), server_default="lab", nullable=False),
        sa.ForeignKeyConstraint(["replaces"], ["quarantine.id"], name=op.f("fk_quarantine_replaces")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_index("ix_quarantine_state", "quarantine", ["state", "arrived_at"], unique=False)
    op.create_table(
        "held_file",
        sa.Column(
            "quarantine_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("path", PATH, nullable=False, comment="the path that it would have in a dataset"),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["quarantine_id"], ["quarantine.id"], name=op.f("fk_held_file_quarantine_id")),
        sa.PrimaryKeyConstraint("quarantine_id", "path", name=op.f("pk_held_file")),
        comment="The files that quarantine holds.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_held_file_digest", "held_file", ["digest"], unique=False)
    _door_tables()
    op.create_table(
        "receipt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", PATH, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("object_version", sa.Text(), server_default=sa.text("''"), nullable=False, comment=OBJECT_VERSION),
        sa.Column("changed_ns", sa.BigInteger(), nullable=True, comment=CHANGED),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("settled_at", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.Double(), nullable=False),
        sa.Column(
            "decision",
            sa.Text(),
            nullable=False,
            comment="accepted, quarantined, unchanged, described, released, rejected or replaced",
        ),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("dataset", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("entry_path", PATH, nullable=True),
        sa.Column("quarantine_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("again", sa.Integer(), server_default="0", nullable=False, comment=PUT_BACK),
        sa.Column("files", sa.Integer(), nullable=True, comment=DELIVERY),
        sa.ForeignKeyConstraint(["quarantine_id"], ["quarantine.id"], name=op.f("fk_receipt_quarantine_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.UniqueConstraint(
            "source", "path", "size", "mtime_ns", "digest", "object_version", "again", name="uq_receipt_arrival"
        ),
        comment="The record of one arrival.",
    )
    op.create_index("ix_receipt_digest", "receipt", ["digest"], unique=False)
    many = sa.text("files IS NOT NULL")
    op.create_index("ix_receipt_delivery", "receipt", ["source"], sqlite_where=many, postgresql_where=many)
    held = sa.text("quarantine_id IS NOT NULL")
    op.create_index("ix_receipt_quarantine", "receipt", ["quarantine_id"], sqlite_where=held, postgresql_where=held)
    op.create_table(
        "source",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("watch", sa.Text(), nullable=False, comment="where it looked when this was written"),
        sa.Column(
            "since_ns",
            sa.BigInteger(),
            nullable=True,
            comment="what had arrived before is passed over; null: nothing is",
        ),
        sa.Column(
            "passed", sa.JSON(), nullable=False, comment="what had arrived in that very moment, and is passed over, too"
        ),
        sa.Column("woken", sa.Integer(), server_default="0", nullable=False, comment="raised by each wake-up"),
        sa.Column("looked_at", sa.Double(), nullable=True),
        sa.Column("listed", sa.BigInteger(), nullable=True, comment="how many files the last look saw"),
        sa.Column(
            "problem", sa.Text(), server_default=sa.text("''"), nullable=False, comment="why the last look failed"
        ),
        sa.Column("waits", sa.BigInteger(), nullable=True, comment="how many files had not settled at the last look"),
        sa.Column("waiting", sa.JSON(), nullable=True, comment="the first of those: path, and why it waits"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_source")),
        comment="What is known of a source beside its receipts.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tag",
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_tag_dataset_id")),
        sa.PrimaryKeyConstraint("dataset_id", "name", name=op.f("pk_tag")),
    )
    op.create_table(
        "tag_move",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("before", sa.Integer(), nullable=True),
        sa.Column("after", sa.Integer(), nullable=True, comment="null: the tag was taken away"),
        sa.Column("moved_at", sa.Double(), nullable=False),
        sa.Column("moved_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_tag_move_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_move")),
    )
    op.create_table(
        "version",
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False, comment="digest of the version before; empty for the first"),
        sa.Column("delta", sa.Text(), nullable=False, comment="digest of the blob that lists what changed"),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("parked", sa.Integer(), nullable=False, comment="datums that are missing because they failed"),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False, comment="whether the store's own list of versions has it"),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_version_dataset_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_version_run_id")),
        sa.PrimaryKeyConstraint("dataset_id", "number", name=op.f("pk_version")),
    )
    op.create_index("ix_version_created", "version", ["created_at"], unique=False)
    op.create_index("ix_version_run", "version", ["run_id"], unique=False)
    op.create_index(
        "ix_version_unnamed",
        "version",
        ["dataset_id"],
        unique=False,
        sqlite_where=sa.text("NOT named"),
        postgresql_where=sa.text("NOT named"),
    )
    op.create_table(
        "entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("path", PATH, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.Column("receipt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_entry_dataset_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipt.id"], name=op.f("fk_entry_receipt_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_entry_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
        comment="A file of a dataset from the version that added it to the one that removed it.",
    )
    op.create_index("ix_entry_added", "entry", ["dataset_id", "added"], unique=False)
    op.create_index("ix_entry_digest", "entry", ["digest"], unique=False)
    op.create_index("ix_entry_path", "entry", ["dataset_id", "path", "added"], unique=False)
    op.create_index(
        "ix_entry_removed",
        "entry",
        ["dataset_id", "removed"],
        unique=False,
        sqlite_where=sa.text("removed IS NOT NULL"),
        postgresql_where=sa.text("removed IS NOT NULL"),
    )
    op.create_index(
        "uq_entry_live",
        "entry",
        ["dataset_id", "path"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL"),
        postgresql_where=sa.text("removed IS NULL"),
    )


def _door_tables() -> None:
    op.create_table(
        "quarantine_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("quarantine_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False, comment="assigned, described, released, rejected or replaced"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["quarantine_id"], ["quarantine.id"], name=op.f("fk_quarantine_event_quarantine_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine_event")),
        comment="What people did about what waits in quarantine.",
    )
    op.create_index("ix_quarantine_event_quarantine_id", "quarantine_event", ["quarantine_id"], unique=False)
    op.create_table(
        "awaiting",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", PATH, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("source", "path", name=op.f("pk_awaiting")),
        comment="Files that wait for others, where a source gives up after a time.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "source_schedule",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False, comment="the schedule as it is written"),
        sa.Column(
            "covers",
            sa.Double(),
            nullable=False,
            comment="the time of the schedule up to which the source was looked at",
        ),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_source_schedule")),
        comment="Up to which time of its schedule a source was looked at.",
        sqlite_with_rowid=False,
    )
