"""The tables of the catalogue.

Times are seconds since 1970 in UTC. States are those of `model/state.py`; triggers refuse any change that it does not
list, and write an event row for each that it does.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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

from aliquot.db.access_tables import approval, audit, link, member, person, session, spent, throttle, token
from aliquot.db.columns import Id, Path, metadata, numbered, to
from aliquot.db.intake_tables import held_file, quarantine, receipt, source
from aliquot.db.server_tables import posted

__all__ = [
    "Id", "Path", "approval", "attempt", "audit", "blob", "dataset", "definition", "entry", "event", "held_file",
    "key_input", "link", "load", "member", "metadata", "output", "person", "posted", "published", "quarantine",
    "receipt", "result", "run", "run_step", "session", "source", "spent", "state_change", "tag", "tag_move", "task",
    "throttle", "token", "version",
]  # fmt: skip

# --- definitions -----------------------------------------------------------------------------------------------------

definition = Table(
    "definition",
    metadata,
    numbered(),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("document", JSON, nullable=False),
    Column("bundle", JSON, nullable=False, comment="path to digest"),
    Column("file", Text, nullable=False),
    Column("applied_at", Double, nullable=False),
    Column("applied_by", Text, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("project", Text, nullable=False, server_default="lab"),
    Index("uq_definition_current", "kind", "name", unique=True, sqlite_where=text("current"),
          postgresql_where=text("current")),
    comment="Every version of every definition that was applied; a new row for each time it became current.",
)  # fmt: skip

# --- bytes -----------------------------------------------------------------------------------------------------------

blob = Table(
    "blob",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("pack", Text, comment="null: the blob lies alone"),
    Column("offset", BigInteger, nullable=False),
    Column("adopted", Boolean, nullable=False, server_default=text("false"),
           comment="it lies where it came from, and the store has but a note of it"),
    Column("doomed_at", Double, comment="when sweep found that nothing needs it"),
    Column("swept_at", Double, comment="when sweep removed it: the row tells of bytes that are gone"),
    Index("ix_blob_doomed", "doomed_at", sqlite_where=text("doomed_at IS NOT NULL"),
          postgresql_where=text("doomed_at IS NOT NULL")),
    comment="Where each blob lies.",
    sqlite_with_rowid=False,
)  # fmt: skip

emptied_pack = Table(
    "emptied_pack",
    metadata,
    Column("pack", Text, primary_key=True),
    Column("emptied_at", Double, nullable=False),
    comment="Packs whose last blobs sweep has moved elsewhere; they go when nobody can be reading them any more.",
)

preview = Table(
    "preview",
    metadata,
    Column("source", Text, nullable=False, comment="digest of the file that it shows"),
    Column("beside", Text, nullable=False, comment="digest of the file that belongs to it; empty without one"),
    Column("kind", Text, nullable=False),
    Column("part", Text, nullable=False, comment="summary, or a file that pages and pictures are read from"),
    Column("code", Integer, nullable=False, comment="version of the code that made it"),
    Column("digest", Text, nullable=False),
    Column("used_at", Double, nullable=False, comment="to the day"),
    PrimaryKeyConstraint("source", "beside", "kind", "part"),
    Index("ix_preview_digest", "digest"),
    comment="What is kept of files to show them; made again when it is gone.",
    sqlite_with_rowid=False,
)

# --- datasets --------------------------------------------------------------------------------------------------------

dataset = Table(
    "dataset",
    metadata,
    numbered(),
    Column("name", Text, nullable=False, unique=True),
    Column("head", Integer, nullable=False, comment="the newest version's number; 0 before the first"),
    Column("created_at", Double, nullable=False),
    Column("project", Text, nullable=False, server_default="lab"),
)

version = Table(
    "version",
    metadata,
    to("dataset_id", "dataset.id", nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("parent", Text, nullable=False, comment="digest of the version before; empty for the first"),
    Column("delta", Text, nullable=False, comment="digest of the blob that lists what changed"),
    Column("provenance", JSON, nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("parked", Integer, nullable=False, comment="datums that are missing because they failed"),
    to("run_id", "run.id"),
    Column("created_at", Double, nullable=False),
    Column("named", Boolean, nullable=False, comment="whether the store's own list of versions has it"),
    PrimaryKeyConstraint("dataset_id", "number"),
    Index("ix_version_run", "run_id"),
    Index("ix_version_created", "created_at"),
    Index("ix_version_unnamed", "dataset_id", sqlite_where=text("NOT named"), postgresql_where=text("NOT named")),
)

entry = Table(
    "entry",
    metadata,
    numbered(),
    to("dataset_id", "dataset.id", nullable=False),
    Column("path", Path, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer),
    to("receipt_id", "receipt.id"),
    to("task_id", "task.id"),
    Index("uq_entry_live", "dataset_id", "path", unique=True, sqlite_where=text("removed IS NULL"),
          postgresql_where=text("removed IS NULL")),
    Index("ix_entry_path", "dataset_id", "path", "added"),
    Index("ix_entry_added", "dataset_id", "added"),
    Index("ix_entry_removed", "dataset_id", "removed", sqlite_where=text("removed IS NOT NULL"),
          postgresql_where=text("removed IS NOT NULL")),
    Index("ix_entry_digest", "digest"),
    comment="A file of a dataset from the version that added it to the one that removed it.",
)  # fmt: skip

tag = Table(
    "tag",
    metadata,
    to("dataset_id", "dataset.id", nullable=False),
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("dataset_id", "name"),
)

tag_move = Table(
    "tag_move",
    metadata,
    numbered(),
    to("dataset_id", "dataset.id", nullable=False),
    Column("name", Text, nullable=False),
    Column("before", Integer),
    Column("after", Integer, comment="null: the tag was taken away"),
    Column("moved_at", Double, nullable=False),
    Column("moved_by", Text, nullable=False),
)

# --- runs ------------------------------------------------------------------------------------------------------------

run = Table(
    "run",
    metadata,
    numbered(),
    to("definition_id", "definition.id", nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("inputs", JSON, nullable=False, comment="input name to [dataset, version]"),
    Column("cause", Text, nullable=False, comment="new_version, schedule or manual"),
    Column("signature", Text, comment="what a trigger saw; one run for each"),
    Column("covers", Double, comment="the latest time of a schedule that the run answers"),
    Column("publish", Boolean, nullable=False),
    Column("pinned", Boolean, nullable=False, comment="a person bound the inputs: old ones may go out"),
    Column("state", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("parked", Integer, nullable=False),
    Column("causes", JSON(none_as_null=True), comment="why those are parked, as cause to number"),
    Column("retries", JSON(none_as_null=True), comment="keys of parked work that it tries again; null: all"),
    Column("cancel_asked", Boolean, nullable=False, comment="by a person"),
    Column("stop_asked", Boolean, nullable=False, comment="by the failure policy, or a fault of ours"),
    Column("priority", Integer, nullable=False, server_default="0", comment="tasks of higher ones start first"),
    Column("deadline", Double, comment="seconds that it may take from its start"),
    Column("ends_as", Text, comment="how a run that cannot go on will end"),
    Column("who", Text, nullable=False),
    Column("project", Text, nullable=False, server_default="lab"),
    Column("owner", Text),
    Column("fence", Integer, nullable=False),
    Column("lease_until", Double),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Index("uq_run_signature", "pipeline", "cause", "signature", unique=True,
          sqlite_where=text("signature IS NOT NULL"), postgresql_where=text("signature IS NOT NULL")),
    Index("ix_run_state", "state"),
    Index("ix_run_pipeline", "pipeline", "id"),
    Index("ix_run_ended", "ended_at"),
)  # fmt: skip

run_step = Table(
    "run_step",
    metadata,
    to("run_id", "run.id", nullable=False),
    Column("step", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("planned_at", Double),
    Column("datums", Integer, nullable=False),
    Column("pool", Text, comment="a pool of aliquot.yaml whose limit holds for the step's tasks"),
    Column("left_out", Integer, nullable=False, server_default="0", comment="datums that the step's `when` leaves out"),
    Column("parts", JSON, comment="what the keys of the step's tasks have in common"),
    Column("carried_from", Id, comment="the run whose tasks of this step, all complete, are the first of this one's"),
    Column("carried", Integer, nullable=False, server_default="0", comment="how many those are"),
    PrimaryKeyConstraint("run_id", "step"),
    comment="The steps of a run, in order; `planned_at` says that all of the step's tasks are there.",
)

task = Table(
    "task",
    metadata,
    numbered(),
    to("run_id", "run.id", nullable=False),
    Column("step", Text, nullable=False),
    Column("ordinal", Integer, nullable=False, comment="from 1 within the step"),
    Column("key", Text, nullable=False),
    Column("datum", JSON, nullable=False, comment="input name to [matched path, captures]"),
    Column("state", Text, nullable=False),
    Column("reused", Boolean, nullable=False, comment="its key had succeeded before: no command was started"),
    Column("recall", Boolean, nullable=False, server_default=text("false"),
           comment="its key has succeeded, and its files were swept: they are made again"),
    Column("cause", Text),
    Column("message", Text, nullable=False),
    Column("attempts", Integer, nullable=False, comment="failed attempts since a person last asked for it"),
    Column("failures", JSON(none_as_null=True), comment="those by cause, as cause to number; null: none"),
    Column("takeovers", Integer, nullable=False, server_default="0",
           comment="how often its lease lapsed, since the same"),
    to("same_as", "task.id", comment="the failed task of the same key, for which this one is left parked"),
    Column("owner", Text),
    Column("fence", Integer, nullable=False),
    Column("lease_until", Double),
    Column("not_before", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    UniqueConstraint("run_id", "step", "ordinal"),
    Index("ix_task_waiting", "run_id", "step", "not_before", sqlite_where=text("state = 'QUEUED'"),
          postgresql_where=text("state = 'QUEUED'")),
    Index("ix_task_under_way", "lease_until", "run_id", "step",
          sqlite_where=text("state IN ('INITIALIZING','RUNNING')"),
          postgresql_where=text("state IN ('INITIALIZING','RUNNING')")),
    Index("ix_task_run", "run_id", "step", "state", "reused", "ordinal"),
    Index("ix_task_key", "key"),
)  # fmt: skip

attempt = Table(
    "attempt",
    metadata,
    to("task_id", "task.id", nullable=False),
    Column("fence", Integer, nullable=False),
    Column("executor", Text, nullable=False),
    Column("handle", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("cause", Text),
    Column("message", Text, nullable=False),
    Column("exit_code", Integer),
    Column("wall", Double),
    Column("cpu", Double),
    Column("peak_memory", BigInteger),
    Column("input_bytes", BigInteger, comment="what the datum's files have"),
    Column("asked", JSON(none_as_null=True), comment="cpus, bytes of memory, seconds of time that it might use"),
    Column("stdout", Text),
    Column("stderr", Text),
    Column("tail", Text, nullable=False),
    Column("image_digest", Text),
    Column("started_at", Double),
    Column("ended_at", Double),
    PrimaryKeyConstraint("task_id", "fence"),
)

result = Table(
    "result",
    metadata,
    Column("key", Text, primary_key=True),
    Column("parts", JSON, nullable=False, comment="what the key was made of"),
    Column("exports", JSON),
    to("task_id", "task.id", comment="the task whose attempt gave it"),
    Column("created_at", Double, nullable=False),
    comment="What succeeded, by key. Never run again while its row is here.",
)

key_input = Table(
    "key_input",
    metadata,
    Column("key", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("path", Path, nullable=False),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("key", "input", "path"),
    Index("ix_key_input_digest", "digest"),
    comment="The files that a key covers: lineage from inputs to tasks.",
    sqlite_with_rowid=False,
)

output = Table(
    "output",
    metadata,
    Column("key", Text, nullable=False),
    Column("path", Path, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    PrimaryKeyConstraint("key", "path"),
    Index("ix_output_digest", "digest"),
    comment="The files that a key gives: lineage from tasks to outputs.",
    sqlite_with_rowid=False,
)

published = Table(
    "published",
    metadata,
    to("run_id", "run.id", nullable=False),
    Column("output", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("run_id", "output"),
    comment="Which version an output of a run is, new or unchanged.",
)

load = Table(
    "load",
    metadata,
    numbered(),
    to("run_id", "run.id", nullable=False),
    Column("table_name", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("dataset", Text),
    Column("number", Integer),
    Column("state", Text, nullable=False, comment="WAITING, DONE or FAILED"),
    Column("rows", BigInteger),
    Column("message", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    UniqueConstraint("run_id", "table_name"),
    Index("ix_load_state", "state"),
    comment="Loads into the hub that runs have asked for.",
)

# --- states ----------------------------------------------------------------------------------------------------------

state_change = Table(
    "state_change",
    metadata,
    Column("kind", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    PrimaryKeyConstraint("kind", "before", "after"),
    comment="The table of model/state.py, for the triggers.",
)

event = Table(
    "event",
    metadata,
    numbered(),
    Column("kind", Text, nullable=False),
    Column("subject", Id, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("ix_event_subject", "kind", "subject"),
)
