"""The tables of people, and the audit."""

import sqlalchemy as sa
from alembic import op

from aliquot.db.triggers import audit_statements

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "approval",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False, comment="what is to be done, in full"),
        sa.Column("digest", sa.Text(), nullable=False, comment="of the document: a signature holds for it alone"),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="WAITING, APPROVED, REFUSED or WITHDRAWN"),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="the second person's"),
        sa.Column("signature", sa.JSON(), nullable=True, comment="who signed, when, what it means, and what it is for"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
        comment="What needs a second person.",
    )
    op.create_index(
        "uq_approval_waiting",
        "approval",
        ["action", "subject"],
        unique=True,
        sqlite_where=sa.text("state = 'WAITING'"),
        postgresql_where=sa.text("state = 'WAITING'"),
    )
    op.create_table(
        "audit",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="from 1, without gaps",
        ),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False, comment="command line, session, token, daemon or nobody"),
        sa.Column("place", sa.Text(), nullable=False, comment="the address or machine"),
        sa.Column("request", sa.Text(), nullable=False, comment="the request's id, as in the log"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="done, denied or failed"),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("parent", sa.Text(), nullable=False, comment="digest of the row before; empty for the first"),
        sa.Column("digest", sa.Text(), nullable=False, comment="over the parent and all that the row says"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        comment="What was done and what was refused, in a chain. Rows can be added, and never changed or removed.",
    )
    op.create_index("ix_audit_action", "audit", ["action", "number"], unique=False)
    op.create_index("ix_audit_subject", "audit", ["subject", "number"], unique=False)
    op.create_index("ix_audit_who", "audit", ["who", "number"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False, comment="the name that people read"),
        sa.Column(
            "password",
            sa.Text(),
            nullable=True,
            comment="its argon2 hash; null: no password yet, or signs in elsewhere",
        ),
        sa.Column("issuer", sa.Text(), nullable=True, comment="the OpenID Connect provider that knows the person"),
        sa.Column("subject", sa.Text(), nullable=True, comment="the person's id there"),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("disabled_at", sa.Double(), nullable=True),
        sa.Column("seen_at", sa.Double(), nullable=True, comment="of the last sign-in"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_person_issuer_subject")),
        sa.UniqueConstraint("name", name=op.f("uq_person_name")),
        comment="Accounts.",
    )
    op.create_table(
        "spent",
        sa.Column("digest", sa.Text(), nullable=False, comment="of the state that came back from a provider"),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_spent")),
        comment="Sign-ins by another provider that are used up: none comes back twice.",
    )
    op.create_table(
        "throttle",
        sa.Column("key", sa.Text(), nullable=False, comment="what tries are counted by: a name, or an address"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False, comment="no further try before"),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttle")),
        comment="Sign-ins that failed of late.",
    )
    op.create_table(
        "link",
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="of the link's secret, which is shown once and not kept"
        ),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False, comment="first, invitation or reset"),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_link_person_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_link")),
        comment="Links with which a person sets a password once.",
    )
    op.create_table(
        "member",
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project", sa.Text(), nullable=False, comment="* for all of them"),
        sa.Column("role", sa.Text(), nullable=False, comment="viewer, technician, scientist or administrator"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_member_person_id")),
        sa.PrimaryKeyConstraint("person_id", "project", name=op.f("pk_member")),
        comment="Which role a person has in which project.",
    )
    op.create_table(
        "session",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="of the cookie's value, which is not kept"),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("place", sa.Text(), nullable=False, comment="the address of the sign-in"),
        sa.Column("agent", sa.Text(), nullable=False, comment="the browser, as it calls itself"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_session_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("digest", name=op.f("uq_session_digest")),
        comment="Who is signed in.",
    )
    op.create_index("ix_session_person", "session", ["person_id"], unique=False)
    op.create_table(
        "token",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="of the token, which is shown once and not kept"),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="what it is for"),
        sa.Column("scope", sa.JSON(), nullable=False, comment="the actions that it may do"),
        sa.Column("project", sa.Text(), nullable=True, comment="null: all projects of the person"),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_token_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
        comment="What programs sign in with.",
    )
    op.create_index("ix_token_person", "token", ["person_id"], unique=False)
    for statement in audit_statements(op.get_context().dialect.name):
        op.execute(statement)
