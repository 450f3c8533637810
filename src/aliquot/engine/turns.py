"""Turns: what only one process at a time may decide, on a database that lets several write at once."""

from enum import IntEnum

from sqlalchemy import Connection, text

from aliquot.engine.lease import LEASE


class Turn(IntEnum):
    """What is decided by one at a time, each with a number of its own among the database's locks."""

    CLAIM = 0x0A11_0717
    BEGIN = 0x0A11_0718
    TRIGGER = 0x0A11_0719


def take_turn(connection: Connection, turn: Turn) -> None:
    """Wait until nobody else decides this, and keep others from it until the transaction ends.

    The server ends a transaction that says nothing for as long as a lease: its process hangs, or its machine is gone.
    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE, {"turn": int(turn), "silence": f"{int(LEASE * 1000)}ms"})


_TAKE = text("SELECT set_config('idle_in_transaction_session_timeout', :silence, true), pg_advisory_xact_lock(:turn)")
