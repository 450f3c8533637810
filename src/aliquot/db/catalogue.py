"""The catalogue: one SQL database, embedded or a server, behind transactions."""

import json
import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from aliquot.db.checkpoints import KEPT, Checkpoints
from aliquot.db.migrate import bring_up_to_date
from aliquot.model.errors import AliquotError, Conflict, Invalid, Unavailable
from aliquot.model.state import REFUSED

T = TypeVar("T")

_BUSY_MS = 30_000
_TRIES = 6
_CACHE_KIB = 49_152
"""What SQLite keeps of the database in memory; the system's own cache holds the rest, a copy of a page away."""
_MORE = {"sqlite": 75, "postgresql": 35}
"""Connections beyond the five that stay open. A server has forty threads, and a read may begin within another: none is
to wait for those that wait themselves. A PostgreSQL serves others, too, and has a hundred in all by default."""
_WAL_PAGES = 32_768
"""Pages of 4 KiB in the log after which a commit moves them into the database itself. `Checkpoints` come earlier."""


def open_catalogue(url: str, folder: Path | None = None) -> "Catalogue":
    """Open the catalogue at a URL and bring its tables up to date; relative SQLite paths start at `folder`."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Invalid("catalogue-url-refused", f"{url!r} is not a database URL.", url=url) from error
    dialect = parsed.get_backend_name()
    if dialect not in {"sqlite", "postgresql"}:
        raise Invalid(
            "catalogue-url-refused", f"A catalogue lives in sqlite:///… or postgresql://…, not {dialect}.", url=url
        )
    catalogue = Catalogue(_sqlite(parsed, folder) if dialect == "sqlite" else _postgresql(parsed))
    try:
        bring_up_to_date(catalogue.engine)
    except OperationalError as error:
        catalogue.close()
        raise _unavailable(catalogue.engine, error) from error
    return catalogue


class Catalogue:
    """Transactions over the catalogue's tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        path = engine.url.database
        logs = self.dialect == "sqlite" and path != ":memory:"
        self._checkpoints = Checkpoints(path) if logs and path else None

    @contextmanager
    def read(self) -> Generator[Connection]:
        """Open a transaction that only reads, with one view of the data throughout."""
        with self._open(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """Open a transaction that is committed whole at the end, or not at all when anything is raised."""
        with self._open(writes=True) as connection:
            yield connection

    def repeat(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction, again when the database asks for it (a deadlock, a lock that is not given)."""
        for attempt in range(_TRIES):
            try:
                with self.write() as connection:
                    return work(connection)
            except Conflict as error:
                if error.code != "catalogue-busy" or attempt == _TRIES - 1:
                    raise
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311  # jitter
        raise AssertionError

    def close(self) -> None:
        """Close every connection."""
        if self._checkpoints:
            self._checkpoints.close()
        self.engine.dispose()

    @contextmanager
    def _open(self, *, writes: bool) -> Generator[Connection]:
        try:
            with self.engine.connect() as connection:
                connection.info["writes"] = writes
                with connection.begin():
                    yield connection
                if writes and self._checkpoints:
                    self._checkpoints.committed()
        except AliquotError:
            raise
        except NoConnection as error:
            raise Unavailable(
                "catalogue-crowded", "Too many ask the catalogue at once; wait a moment, then try again."
            ) from error
        except DBAPIError as error:
            if _is_busy(error):
                raise Conflict(
                    "catalogue-busy", "Another process is writing the catalogue; try again in a moment."
                ) from error
            if REFUSED in str(error.orig):
                raise Conflict(
                    REFUSED, "What was to be changed has another state by now; look at it again before you decide."
                ) from error
            if isinstance(error, OperationalError) or error.connection_invalidated:
                raise _unavailable(self.engine, error) from error
            raise


def _is_busy(error: DBAPIError) -> bool:
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate in {"40001", "40P01", "55P03"} or "database is locked" in str(error.orig)


def _unavailable(engine: Engine, error: DBAPIError) -> Unavailable:
    place = engine.url.render_as_string(hide_password=True)
    return Unavailable("catalogue-unavailable", f"The catalogue {place} cannot be used: {error.orig}", url=place)


# Made once: `json.dumps` with settings makes an encoder for every value.
_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_decoder = json.JSONDecoder()


def _from_json(text: str) -> Any:
    """Read a JSON value. What is just that is read in half the time that `json.loads` takes, which judges all else."""
    try:
        value, end = _decoder.raw_decode(text)
    except ValueError:
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


def _sqlite(url: URL, folder: Path | None) -> Engine:
    more: dict[str, Any] = {}
    if url.database and url.database != ":memory:":
        path = (folder or Path()) / url.database
        path.parent.mkdir(parents=True, exist_ok=True)
        url = url.set(database=str(path.absolute()))
        # The connection that was used last has in memory what is asked for next.
        more = {"max_overflow": _MORE["sqlite"], "pool_use_lifo": True}
    engine = create_engine(
        url, json_serializer=_json, json_deserializer=_from_json, connect_args={"timeout": _BUSY_MS / 1000}, **more
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: object) -> None:
        # The driver must not begin transactions by itself: `begin` below does, with the right kind.
        raw.isolation_level = None
        cursor = raw.cursor()
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}",
                        f"cache_size=-{_CACHE_KIB}", "temp_store=MEMORY",
                        f"wal_autocheckpoint={_WAL_PAGES}", f"journal_size_limit={KEPT}"):  # fmt: skip
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writes", True) else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        engine = create_engine(
            url, json_serializer=_json, pool_pre_ping=True, max_overflow=_MORE["postgresql"],
            connect_args={"connect_timeout": 10},
        )  # fmt: skip
    except ModuleNotFoundError as error:
        raise Unavailable(
            "extra-missing",
            "A catalogue on PostgreSQL needs psycopg; install it with: pip install 'aliquot[postgresql]'",
        ) from error

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.info.get("writes", True):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine
