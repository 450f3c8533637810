"""The hub: where it is, and sessions on it."""

import contextlib
import importlib
import random
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from aliquot.model.errors import AliquotError, Damaged, Invalid, Unavailable

if TYPE_CHECKING:
    import polars as pl
    from adbc_driver_manager.dbapi import Connection, Cursor

Dialect = Literal["sqlite", "postgresql"]
Value = str | int | None

_PATIENCE = 600
"""Seconds for which a load waits for another one's turn to end."""
_GONE = (
    "failed to open",
    "unable to open",
    "failed to connect",
    "server closed the connection",
    "terminating connection",
    "no connection to the server",
)
_STATES_GONE = ("08", "57P")
_STATES_FULL = ("53",)
_STATES_BUSY = ("55P03", "40P01", "40001")


@dataclass(frozen=True, slots=True)
class Hub:
    """One SQL database; nothing is opened before a session is.

    `location` is a file's path for SQLite and a libpq URL for PostgreSQL; `reader` the URL of the same database under
    a role that may only read, which queries of people have; empty: there is none.
    """

    dialect: Dialect
    location: str
    reader: str = ""

    @property
    def label(self) -> str:
        """Name the hub for a person, without a password."""
        return self.location if self.dialect == "sqlite" else _without_password(self.location)

    @contextmanager
    def session(self) -> Generator["Session"]:
        """Open a session that may write."""
        if self.dialect == "sqlite":
            try:
                Path(self.location).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise unreachable(self, str(error)) from error
        with self._connected(self.location) as session:
            if self.dialect == "sqlite":
                session.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000}")
                _let_readers_go_on(session)
            else:
                session.execute("SET client_min_messages = warning")
                session.execute(f"SET lock_timeout = '{_PATIENCE}s'")
            yield session

    @contextmanager
    def reading(self) -> Generator["Session"]:
        """Open a session that the database itself keeps from writing; an SQLite hub not made yet is empty."""
        # Through the driver that writes, not through Python's own sqlite3: two SQLite libraries in one process
        # undo each other's file locks.
        location = self.location
        if self.dialect == "sqlite":
            location = f"file:{quote(location)}?mode=ro" if Path(location).exists() else ":memory:"
        with self._connected(location) as session:
            if self.dialect == "sqlite":
                session.execute("PRAGMA busy_timeout = 10000")
                session.execute("PRAGMA temp_store = memory")
            else:
                session.execute("SET default_transaction_read_only = on")
            yield session

    @contextmanager
    def _connected(self, location: str) -> Generator["Session"]:
        extra = "tables" if self.dialect == "sqlite" else "postgresql"
        require("polars", "tables")
        driver = require(f"adbc_driver_{self.dialect}.dbapi", extra)
        with translated(self):
            connection: Connection = driver.connect(location, autocommit=True)
        session = Session(self, connection)
        try:
            yield session
        finally:
            session.close()


class Session:
    """One connection to a hub; every error of the database comes out as one of ours."""

    def __init__(self, hub: Hub, connection: "Connection") -> None:
        self.hub = hub
        self._connection = connection

    def execute(self, sql: str, *values: Value) -> int:
        """Run one statement with `$1`, `$2`… in order; give the number of rows that it changed."""
        with self._cursor() as cursor:
            _run(cursor, sql, values)
            changed = cursor.rowcount
        return self.rows("SELECT changes() AS n")[0][0] if self.hub.dialect == "sqlite" else changed

    def rows(self, sql: str, *values: Value) -> list[tuple[Any, ...]]:
        """Give the rows of a query whose columns are texts, integers or floats, each with a name of its own."""
        return self.frame(sql, *values).rows()

    def frame(self, sql: str, *values: Value) -> "pl.DataFrame":
        """Give the rows of a query as a frame."""
        from polars.exceptions import ComputeError

        with self._cursor() as cursor:
            _run(cursor, sql, values)
            try:
                return cursor.fetch_polars()
            except ComputeError as error:  # what the database says while rows are on their way
                raise _error(self.hub, str(error), "") from error

    def ingest(self, table: str, frame: "pl.DataFrame", *, temporary: bool = False) -> None:
        """Send a frame in bulk: to the table of that name, or to a temporary one that is created for it."""
        with self._cursor() as cursor:
            mode = "create" if temporary else "append"
            cursor.adbc_ingest(table, frame, mode=mode, temporary=temporary)  # pyright: ignore[reportArgumentType] - a frame is an Arrow stream

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Do all of it or nothing; the next writer waits from the beginning on."""
        self.execute("BEGIN IMMEDIATE" if self.hub.dialect == "sqlite" else "BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # a connection that is gone has rolled back already
            with contextlib.suppress(AliquotError):
                self.execute("ROLLBACK")
            raise

    def lock(self, name: str) -> None:
        """Hold back every other transaction that locks this name, until this one ends."""
        if self.hub.dialect == "postgresql":  # an SQLite transaction is alone from its beginning
            literal = "aliquot hub " + name
            self.execute(f"DO $$ BEGIN PERFORM pg_advisory_xact_lock({_lock_number(literal)}); END $$")

    def close(self) -> None:
        """Let go of the connection; what was not committed is gone."""
        self._connection.close()

    @contextmanager
    def _cursor(self) -> Generator["Cursor"]:
        with translated(self.hub), self._connection.cursor() as cursor:
            yield cursor


def open_hub(url: str, folder: Path, reader: str = "") -> Hub:
    """Give the hub that a URL names: `sqlite:///file` (relative to the folder) or `postgresql://…`.

    `reader` is the same database under a role that may only read.
    """
    found = _hub(url, folder)
    if not reader:
        return found
    other = _hub(reader, folder)
    if (found.dialect, other.dialect) != ("postgresql", "postgresql"):
        words = "'hub_reader' names a role of a hub on PostgreSQL; leave it out, or let 'hub' be one."
        raise Invalid("hub-url", words, url=other.label)
    return replace(found, reader=other.location)


def _hub(url: str, folder: Path) -> Hub:
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme == "sqlite":
        path = url.partition(":///")[2]
        if not path:
            raise Invalid("hub-url", f"{url!r} names no file; write sqlite:///hub.db.", url=url)
        return Hub("sqlite", str(folder.absolute() / path))
    if scheme in {"postgresql", "postgres"}:
        query = parts.query
        if "connect_timeout=" not in query:
            query += ("&" if query else "") + "connect_timeout=10"
        # written by hand: urlunsplit drops the // of an address whose host is in the query
        return Hub("postgresql", f"postgresql://{parts.netloc}{parts.path}?{query}")
    raise Invalid(
        "hub-url",
        f"{_without_password(url)!r} is not a hub; write sqlite:///hub.db or postgresql://user@host/database.",
        url=_without_password(url),
    )


def require(module: str, extra: str) -> Any:
    """Import a module of an extra, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unavailable(
            "extra-missing",
            f"The hub needs {module.partition('.')[0]}; install it with: pip install 'aliquot[{extra}]'.",
            extra=extra,
        ) from error


@contextmanager
def translated(hub: Hub) -> Generator[None]:
    """Raise what the database says as an error of ours."""
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        raise _error(hub, str(error), error.sqlstate or "") from error


def quoted(name: str) -> str:
    """Write a name so that SQL reads it as nothing but a name."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """Write a text as SQL, for the places where a database takes no parameter."""
    return "'" + text.replace("'", "''") + "'"


def unreachable(hub: Hub, text: str, setting: str = "hub") -> Unavailable:
    """Say that the hub is not there, and what to do; `text` is what the driver said."""
    return Unavailable(
        "hub-unavailable",
        f"The hub {hub.label} cannot be reached ({_first_line(text)}). Start it or correct '{setting}:' in "
        "aliquot.yaml, then try again; everything that needs no hub goes on.",
        hub=hub.label,
    )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"


def _error(hub: Hub, text: str, state: str) -> AliquotError:
    said = _first_line(text)
    lower = text.lower()
    if "malformed" in lower or "not a database" in lower:
        return Damaged(
            "hub-damaged", f"The hub {hub.label} cannot be read ({said}); restore it or load it anew.", hub=hub.label
        )
    if "is locked" in lower or state.startswith(_STATES_BUSY):
        return Unavailable(
            "hub-busy", f"The hub {hub.label} is held by another writer; try again when it has ended.", hub=hub.label
        )
    if "disk is full" in lower or state.startswith(_STATES_FULL):
        return Unavailable(
            "hub-full", f"The hub {hub.label} has no room left ({said}); free some and try again.", hub=hub.label
        )
    if state.startswith(_STATES_GONE) or any(sign in lower for sign in _GONE):
        return unreachable(hub, text)
    return Invalid("hub-refused", f"The hub refused it: {said}. Correct it and try again.", hub=hub.label, said=text)


def _run(cursor: "Cursor", sql: str, values: tuple[Value, ...]) -> None:
    if values:
        cursor.execute(sql, _row(values))
    else:
        cursor.execute(sql)


def _row(values: tuple[Value, ...]) -> "pl.DataFrame":
    import polars as pl

    # a None needs a type all the same: the drivers take no column of type null
    return pl.DataFrame(
        [pl.Series(f"{n}", [v], dtype=pl.Int64 if isinstance(v, int) else pl.String) for n, v in enumerate(values)]
    )


def _let_readers_go_on(session: Session) -> None:
    """Turn on SQLite's write-ahead log, beside which readers see what was there while a load writes."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            if session.rows("PRAGMA journal_mode")[0][0] == "wal":
                return
            session.execute("PRAGMA journal_mode = wal")
        except Unavailable:
            # the one statement for which SQLite does not wait by itself: others are opening the new file, too
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - jitter


def _lock_number(name: str) -> int:
    from hashlib import blake2b

    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    address = parts.netloc
    if parts.password is not None:
        address = f"{parts.username}:…@{address.rpartition('@')[2]}"
    return urlunsplit((parts.scheme, address, parts.path, "", ""))
