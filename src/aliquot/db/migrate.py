"""Bringing a catalogue's tables up to date."""

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from aliquot.model.errors import Conflict

HEAD = "0003"
"""The newest migration; a test holds it against the folder of migrations."""

_LOCK = 0x0A11_0707


def bring_up_to_date(engine: Engine) -> None:
    """Run the migrations that a catalogue lacks; two processes at once do it one after the other."""
    if _revision(engine) == HEAD:
        return
    # Alembic takes 0.2 s to import, which only a first start should pay.
    from alembic import command
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection:
        connection.info["writes"] = True
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        connection.info["writes"] = False
        with connection.begin():
            if not inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found > HEAD:
        raise Conflict(
            "catalogue-newer",
            f"This catalogue was written by a newer Aliquot (migration {found}; this one knows {HEAD}); update it.",
            found=found,
            known=HEAD,
        )
    return found
