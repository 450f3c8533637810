"""The tables of what the server remembers between requests."""

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from aliquot.db.columns import metadata

posted = Table(
    "posted",
    metadata,
    Column("who", Text, nullable=False),
    Column("key", Text, nullable=False, comment="what the client calls the request: its Idempotency-Key"),
    Column("request", Text, nullable=False, comment="digest of method, path and body"),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False, comment="the JSON that was answered"),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("who", "key"),
    Index("ix_posted_at", "at"),
    comment="Requests that made something, and what was answered: the same one again makes nothing again.",
)

query_end = Table(
    "query_end",
    metadata,
    Column("who", Text, primary_key=True),
    Column("times", Integer, nullable=False, comment="each time ends what the person has under way on all servers"),
    comment="How often people have ended their queries of the hub.",
)
