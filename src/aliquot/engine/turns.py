"""Turns: what only one process at a time may decide, on a database that lets several write at once."""

from enum import IntEnum

from sqlalchemy import Connection, text


class Turn(IntEnum):
    """What is decided by one at a time, each with a number of its own among the database's locks."""

    CLAIM = 0x0A11_0717
    BEGIN = 0x0A11_0718
    TRIGGER = 0x0A11_0719


def take_turn(connection: Connection, turn: Turn) -> None:
    """Wait until nobody else decides this, and keep others from it until the transaction ends.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": int(turn)})
