"""The triggers that hold the table of state changes inside the database, and write each change as an event."""

from aliquot.model.state import CHANGES, REFUSED

STATEFUL = ("run", "task")

KEPT = "audit rows are for ever"
"""What the database says to a statement that would change the audit."""


def allowed_rows() -> list[dict[str, str]]:
    """List the allowed changes as rows of `state_change`."""
    return [
        {"kind": kind, "before": str(before), "after": str(after)}
        for kind, changes in CHANGES.items()
        for before, afters in changes.items()
        for after in sorted(afters)
    ]


def statements(dialect: str) -> list[str]:
    """Give the statements that make the triggers."""
    return [text for table in STATEFUL for text in _MAKERS[dialect](table)]


def _sqlite(table: str) -> list[str]:
    return [
        f"""CREATE TRIGGER {table}_state BEFORE UPDATE OF state ON {table} WHEN NEW.state <> OLD.state
        BEGIN
          SELECT RAISE(ABORT, '{REFUSED}')
            WHERE NOT EXISTS (SELECT 1 FROM state_change
                              WHERE kind = '{table}' AND before = OLD.state AND after = NEW.state);
          INSERT INTO event (kind, subject, before, after, at)
            VALUES ('{table}', OLD.id, OLD.state, NEW.state, (julianday('now') - 2440587.5) * 86400.0);
        END"""  # noqa: S608  # names are ours
    ]


def _postgresql(table: str) -> list[str]:
    return [
        f"""CREATE FUNCTION {table}_state() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NOT EXISTS (SELECT 1 FROM state_change
                         WHERE kind = '{table}' AND before = OLD.state AND after = NEW.state) THEN
            RAISE EXCEPTION '{REFUSED}';
          END IF;
          INSERT INTO event (kind, subject, before, after, at)
            VALUES ('{table}', OLD.id, OLD.state, NEW.state, extract(epoch FROM clock_timestamp()));
          RETURN NEW;
        END $$""",  # noqa: S608  # names are ours
        f"""CREATE TRIGGER {table}_state BEFORE UPDATE OF state ON {table}
        FOR EACH ROW WHEN (NEW.state IS DISTINCT FROM OLD.state) EXECUTE FUNCTION {table}_state()""",
    ]


_MAKERS = {"sqlite": _sqlite, "postgresql": _postgresql}


def audit_statements(dialect: str) -> list[str]:
    """Give the statements that make the triggers which let rows of the audit be added and nothing else."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit BEGIN SELECT RAISE(ABORT, '{KEPT}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f"""CREATE FUNCTION audit_kept() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{KEPT}'; END $$""",
        "CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION audit_kept()",
    ]
