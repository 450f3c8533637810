"""The first tables: definitions, runs, states."""

import sqlalchemy as sa
from alembic import op

from aliquot.db.triggers import allowed_rows, statements

PATH = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "definition",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("bundle", sa.JSON(), nullable=False, comment="path to digest"),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("applied_at", sa.Double(), nullable=False),
        sa.Column("applied_by", sa.Text(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("project", sa.Text(), server_default="lab", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_definition")),
        comment="Every version of every definition that was applied; a new row for each time it became current.",
    )
    op.create_index(
        "uq_definition_current",
        "definition",
        ["kind", "name"],
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_subject", "event", ["kind", "subject"], unique=False)
    op.create_table(
        "key_input",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("path", PATH, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", "input", "path", name=op.f("pk_key_input")),
        comment="The files that a key covers: lineage from inputs to tasks.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_key_input_digest", "key_input", ["digest"], unique=False)
    op.create_table(
        "output",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("path", PATH, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "path", name=op.f("pk_output")),
        comment="The files that a key gives: lineage from tasks to outputs.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_output_digest", "output", ["digest"], unique=False)
    op.create_table(
        "state_change",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "before", "after", name=op.f("pk_state_change")),
        comment="The table of model/state.py, for the triggers.",
    )
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("definition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False, comment="input name to [dataset, version]"),
        sa.Column("cause", sa.Text(), nullable=False, comment="new_version, schedule or manual"),
        sa.Column("signature", sa.Text(), nullable=True, comment="what a trigger saw; one run for each"),
        sa.Column("covers", sa.Double(), nullable=True, comment="the latest time of a schedule that the run answers"),
        sa.Column("publish", sa.Boolean(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False, comment="a person bound the inputs: old ones may go out"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("parked", sa.Integer(), nullable=False),
        sa.Column("causes", sa.JSON(), nullable=True, comment="why those are parked, as cause to number"),
        sa.Column("retries", sa.JSON(), nullable=True, comment="keys of parked work that it tries again; null: all"),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False, comment="by a person"),
        sa.Column("stop_asked", sa.Boolean(), nullable=False, comment="by the failure policy, or a fault of ours"),
        sa.Column(
            "priority", sa.Integer(), nullable=False, server_default="0", comment="tasks of higher ones start first"
        ),
        sa.Column("deadline", sa.Double(), nullable=True, comment="seconds that it may take from its start"),
        sa.Column(
            "ends_as",
            sa.Text(),
            nullable=True,
            comment="how a run that cannot go on will end",
        ),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), server_default="lab", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["definition_id"], ["definition.id"], name=op.f("fk_run_definition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index("ix_run_ended", "run", ["ended_at"], unique=False)
    op.create_index("ix_run_pipeline", "run", ["pipeline", "id"], unique=False)
    op.create_index("ix_run_state", "run", ["state"], unique=False)
    op.create_index(
        "uq_run_signature",
        "run",
        ["pipeline", "cause", "signature"],
        unique=True,
        sqlite_where=sa.text("signature IS NOT NULL"),
        postgresql_where=sa.text("signature IS NOT NULL"),
    )
    op.create_table(
        "load",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False, comment="WAITING, DONE or FAILED"),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_load_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load")),
        sa.UniqueConstraint("run_id", "table_name", name=op.f("uq_load_run_id_table_name")),
        comment="Loads into the hub that runs have asked for.",
    )
    op.create_index("ix_load_state", "load", ["state"], unique=False)
    op.create_table(
        "published",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_published_run_id")),
        sa.PrimaryKeyConstraint("run_id", "output", name=op.f("pk_published")),
        comment="Which version an output of a run is, new or unchanged.",
    )
    op.create_table(
        "run_step",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("planned_at", sa.Double(), nullable=True),
        sa.Column("datums", sa.Integer(), nullable=False),
        sa.Column(
            "pool", sa.Text(), nullable=True, comment="a pool of aliquot.yaml whose limit holds for the step's tasks"
        ),
        sa.Column(
            "left_out",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="datums that the step's `when` leaves out",
        ),
        sa.Column("parts", sa.JSON(), nullable=True, comment="what the keys of the step's tasks have in common"),
        sa.Column(
            "carried_from",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the run whose tasks of this step, all complete, are the first of this one's",
        ),
        sa.Column("carried", sa.Integer(), server_default="0", nullable=False, comment="how many those are"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_step_run_id")),
        sa.PrimaryKeyConstraint("run_id", "step", name=op.f("pk_run_step")),
        comment="The steps of a run, in order; `planned_at` says that all of the step's tasks are there.",
    )
    op.create_table(
        "task",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="from 1 within the step"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("datum", sa.JSON(), nullable=False, comment="input name to [matched path, captures]"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "reused", sa.Boolean(), nullable=False, comment="its key had succeeded before: no command was started"
        ),
        sa.Column(
            "recall",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="its key has succeeded, and its files were swept: they are made again",
        ),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="failed attempts since a person last asked for it"),
        sa.Column("failures", sa.JSON(), nullable=True, comment="those by cause, as cause to number; null: none"),
        sa.Column(
            "takeovers",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="how often its lease lapsed, since the same",
        ),
        sa.Column(
            "same_as",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the failed task of the same key, for which this one is left parked",
        ),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_task_run_id")),
        sa.ForeignKeyConstraint(["same_as"], ["task.id"], name=op.f("fk_task_same_as")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("run_id", "step", "ordinal", name=op.f("uq_task_run_id_step_ordinal")),
    )
    op.create_index("ix_task_key", "task", ["key"], unique=False)
    op.create_index("ix_task_run", "task", ["run_id", "step", "state", "reused", "ordinal"], unique=False)
    op.create_index(
        "ix_task_under_way",
        "task",
        ["lease_until", "run_id", "step"],
        unique=False,
        sqlite_where=sa.text("state IN ('INITIALIZING','RUNNING')"),
        postgresql_where=sa.text("state IN ('INITIALIZING','RUNNING')"),
    )
    op.create_index(
        "ix_task_waiting",
        "task",
        ["run_id", "step", "not_before"],
        unique=False,
        sqlite_where=sa.text("state = 'QUEUED'"),
        postgresql_where=sa.text("state = 'QUEUED'"),
    )
    op.create_table(
        "attempt",
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("executor", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("wall", sa.Double(), nullable=True),
        sa.Column("cpu", sa.Double(), nullable=True),
        sa.Column("peak_memory", sa.BigInteger(), nullable=True),
        sa.Column("input_bytes", sa.BigInteger(), nullable=True, comment="what the datum's files have"),
        sa.Column(
            "asked", sa.JSON(), nullable=True, comment="cpus, bytes of memory, seconds of time that it might use"
        ),
        sa.Column("stdout", sa.Text(), nullable=True),
        sa.Column("stderr", sa.Text(), nullable=True),
        sa.Column("tail", sa.Text(), nullable=False),
        sa.Column("image_digest", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_attempt_task_id")),
        sa.PrimaryKeyConstraint("task_id", "fence", name=op.f("pk_attempt")),
    )
    op.create_table(
        "result",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False, comment="what the key was made of"),
        sa.Column("exports", sa.JSON(), nullable=True),
        sa.Column(
            "task_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the task whose attempt gave it",
        ),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_result_task_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_result")),
        comment="What succeeded, by key. Never run again while its row is here.",
    )
    op.create_table(
        "posted",
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="what the client calls the request: its Idempotency-Key"),
        sa.Column("request", sa.Text(), nullable=False, comment="digest of method, path and body"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False, comment="the JSON that was answered"),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("who", "key", name=op.f("pk_posted")),
        comment="Requests that made something, and what was answered: the same one again makes nothing again.",
    )
    op.create_index("ix_posted_at", "posted", ["at"], unique=False)
    op.create_table(
        "query_end",
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column(
            "times",
            sa.Integer(),
            nullable=False,
            comment="each time ends what the person has under way on all servers",
        ),
        sa.PrimaryKeyConstraint("who", name=op.f("pk_query_end")),
        comment="How often people have ended their queries of the hub.",
    )

    op.bulk_insert(sa.table("state_change", sa.column("kind"), sa.column("before"), sa.column("after")), allowed_rows())
    for statement in statements(op.get_context().dialect.name):
        op.execute(statement)
