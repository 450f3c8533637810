"""The catalogue on both databases: migrations meet the declared tables, states are held, transactions are whole."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from aliquot.db import Catalogue, open_catalogue
from aliquot.db.migrate import HEAD
from aliquot.db.tables import dataset, definition, event, metadata, run, state_change
from aliquot.db.triggers import allowed_rows
from aliquot.model.errors import Conflict, Invalid, Unavailable
from aliquot.model.state import State, allowed

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def _run(catalogue: Catalogue, state: State) -> int:
    with catalogue.write() as connection:
        owner = connection.execute(
            insert(definition).values(
                kind="pipeline", name="p", digest="d", document={}, bundle={}, file="", applied_at=0.0, applied_by="",
                current=False,
            )
        ).inserted_primary_key[0]  # fmt: skip
        return connection.execute(
            insert(run).values(
                definition_id=owner, pipeline="p", parameters={}, inputs={}, cause="manual", publish=False,
                pinned=False, state=state,
                message="", parked=0, cancel_asked=False, stop_asked=False, who="", fence=0, created_at=0.0,
            )
        ).inserted_primary_key[0]  # fmt: skip


@both
def test_migrations_and_declared_tables_meet(catalogue: Catalogue) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with catalogue.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    import aliquot.db.migrate as migrate

    folder = str(Path(migrate.__file__).parent / "migrations")
    assert ScriptDirectory(folder).get_heads() == [HEAD]


@both
def test_the_database_knows_the_table_of_state_changes(catalogue: Catalogue) -> None:
    with catalogue.read() as connection:
        rows = {tuple(row) for row in connection.execute(select(state_change))}
    assert rows == {(row["kind"], row["before"], row["after"]) for row in allowed_rows()}


@both
@pytest.mark.parametrize("after", list(State))
@pytest.mark.parametrize("before", [State.QUEUED, State.RUNNING, State.COMPLETE, State.CANCELING])
def test_a_change_is_made_and_witnessed_only_when_the_table_lists_it(
    catalogue: Catalogue, before: State, after: State
) -> None:
    number = _run(catalogue, before)
    change = update(run).where(run.c.id == number).values(state=after)
    if allowed("run", before, after) or before == after:
        with catalogue.write() as connection:
            connection.execute(change)
    else:
        with pytest.raises(Conflict, match="has another state by now"), catalogue.write() as connection:
            connection.execute(change)
    with catalogue.read() as connection:
        events = connection.execute(select(event.c.before, event.c.after, event.c.at)).all()
    if allowed("run", before, after):
        assert [(row.before, row.after) for row in events] == [(before, after)]
        assert abs(events[0].at - time.time()) < 60
    else:
        assert events == []


@both
def test_a_transaction_that_raises_leaves_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(RuntimeError), catalogue.write() as connection:  # noqa: PT012 - the transaction is the subject
        connection.execute(insert(dataset).values(name="a", head=0, created_at=0.0))
        raise RuntimeError
    with catalogue.read() as connection:
        assert connection.execute(select(dataset)).all() == []


@both
def test_writers_at_once_lose_no_update(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        connection.execute(insert(dataset).values(name="a", head=0, created_at=0.0))

    def add() -> None:
        for _ in range(20):
            catalogue.repeat(
                lambda connection: connection.execute(
                    update(dataset).where(dataset.c.name == "a").values(head=dataset.c.head + 1)
                )
            )

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalogue.read() as connection:
        assert connection.execute(select(dataset.c.head)).scalar() == 80


@pytest.mark.parametrize("catalogue", ["postgresql"], indirect=True)
def test_a_reader_cannot_write_on_a_server(catalogue: Catalogue) -> None:
    with pytest.raises(DBAPIError, match="read-only"), catalogue.read() as connection:
        connection.execute(insert(dataset).values(name="a", head=0, created_at=0.0))


def test_a_newer_catalogue_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/c.db"
    catalogue = open_catalogue(url)
    with catalogue.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    catalogue.close()
    with pytest.raises(Conflict, match="newer Aliquot"):
        open_catalogue(url)


def test_urls_that_cannot_be_a_catalogue() -> None:
    with pytest.raises(Invalid, match="not mysql"):
        open_catalogue("mysql://x/y")
    with pytest.raises(Invalid, match="not a database URL"):
        open_catalogue("nonsense")


def test_a_server_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        open_catalogue("postgresql://nobody@127.0.0.1:1/none")
