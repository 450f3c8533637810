"""The tables of people: accounts, roles, sessions, tokens, approvals, and the audit."""

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

from aliquot.db.columns import metadata, numbered, to

person = Table(
    "person",
    metadata,
    numbered(),
    Column("name", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False, comment="the name that people read"),
    Column("password", Text, comment="its argon2 hash; null: no password yet, or signs in elsewhere"),
    Column("issuer", Text, comment="the OpenID Connect provider that knows the person"),
    Column("subject", Text, comment="the person's id there"),
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),
    Column("seen_at", Double, comment="of the last sign-in"),
    UniqueConstraint("issuer", "subject"),
    comment="Accounts.",
)

member = Table(
    "member",
    metadata,
    to("person_id", "person.id", nullable=False),
    Column("project", Text, nullable=False, comment="* for all of them"),
    Column("role", Text, nullable=False, comment="viewer, technician, scientist or administrator"),
    PrimaryKeyConstraint("person_id", "project"),
    comment="Which role a person has in which project.",
)

session = Table(
    "session",
    metadata,
    numbered(),
    Column("digest", Text, nullable=False, unique=True, comment="of the cookie's value, which is not kept"),
    to("person_id", "person.id", nullable=False),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("place", Text, nullable=False, comment="the address of the sign-in"),
    Column("agent", Text, nullable=False, comment="the browser, as it calls itself"),
    Index("ix_session_person", "person_id"),
    comment="Who is signed in.",
)

token = Table(
    "token",
    metadata,
    numbered(),
    Column("digest", Text, nullable=False, unique=True, comment="of the token, which is shown once and not kept"),
    to("person_id", "person.id", nullable=False),
    Column("name", Text, nullable=False, comment="what it is for"),
    Column("scope", JSON, nullable=False, comment="the actions that it may do"),
    Column("project", Text, comment="null: all projects of the person"),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Column("ended_at", Double),
    Index("ix_token_person", "person_id"),
    comment="What programs sign in with.",
)

link = Table(
    "link",
    metadata,
    Column("digest", Text, primary_key=True, comment="of the link's secret, which is shown once and not kept"),
    to("person_id", "person.id", nullable=False),
    Column("purpose", Text, nullable=False, comment="first, invitation or reset"),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    comment="Links with which a person sets a password once.",
)

throttle = Table(
    "throttle",
    metadata,
    Column("key", Text, primary_key=True, comment="what tries are counted by: a name, or an address"),
    Column("tries", Integer, nullable=False),
    Column("until", Double, nullable=False, comment="no further try before"),
    Column("last_at", Double, nullable=False),
    comment="Sign-ins that failed of late.",
)

spent = Table(
    "spent",
    metadata,
    Column("digest", Text, primary_key=True, comment="of the state that came back from a provider"),
    Column("at", Double, nullable=False),
    comment="Sign-ins by another provider that are used up: none comes back twice.",
)

approval = Table(
    "approval",
    metadata,
    numbered(),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("document", JSON, nullable=False, comment="what is to be done, in full"),
    Column("digest", Text, nullable=False, comment="of the document: a signature holds for it alone"),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("because", Text, nullable=False),
    Column("state", Text, nullable=False, comment="WAITING, APPROVED, REFUSED or WITHDRAWN"),
    Column("decided_by", Text),
    Column("decided_at", Double),
    Column("reason", Text, comment="the second person's"),
    Column("signature", JSON(none_as_null=True), comment="who signed, when, what it means, and what it is for"),
    Index("uq_approval_waiting", "action", "subject", unique=True, sqlite_where=text("state = 'WAITING'"),
          postgresql_where=text("state = 'WAITING'")),
    comment="What needs a second person.",
)  # fmt: skip

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False,
           comment="from 1, without gaps"),
    Column("at", Double, nullable=False),
    Column("who", Text, nullable=False),
    Column("how", Text, nullable=False, comment="command line, session, token, daemon or nobody"),
    Column("place", Text, nullable=False, comment="the address or machine"),
    Column("request", Text, nullable=False, comment="the request's id, as in the log"),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("outcome", Text, nullable=False, comment="done, denied or failed"),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    Column("parent", Text, nullable=False, comment="digest of the row before; empty for the first"),
    Column("digest", Text, nullable=False, comment="over the parent and all that the row says"),
    Index("ix_audit_subject", "subject", "number"),
    Index("ix_audit_who", "who", "number"),
    Index("ix_audit_action", "action", "number"),
    comment="What was done and what was refused, in a chain. Rows can be added, and never changed or removed.",
)  # fmt: skip
