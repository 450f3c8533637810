"""The audit on both databases: rows stay as they are, appends at once make one chain, and any change is found."""

import copy
import json
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from aliquot.access.anchors import anchor
from aliquot.access.audit import append, head, row_digest
from aliquot.access.audit_read import Question, all_entries, count_entries, entries, line_of
from aliquot.access.audit_verify import verify_audit, verify_rows
from aliquot.access.by import By, at_the_machine
from aliquot.access.rights import NOTHING
from aliquot.blobs import Store
from aliquot.blobs.layout import anchor_key
from aliquot.db import Catalogue
from aliquot.db.access_tables import audit
from aliquot.model.errors import Conflict

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)
ANA = at_the_machine("ana", "ana@bench")


def _fill(catalogue: Catalogue, count: int) -> None:
    with catalogue.write() as connection:
        for number in range(count):
            append(connection, ANA, "dataset.tag", f"dataset d{number}", before={"n": number}, after={"x": [1.5, None]})


def _unlocked(catalogue: Catalogue) -> None:
    """Take the triggers away, as somebody with the database's password could."""
    with catalogue.write() as connection:
        if catalogue.dialect == "sqlite":
            for name in ("audit_no_update", "audit_no_delete"):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("DROP TRIGGER audit_kept ON audit"))


@both
@pytest.mark.parametrize(
    "change", [update(audit).values(who="eve"), delete(audit), update(audit).where(audit.c.number == -1).values(at=0.0)]
)
def test_the_database_refuses_to_change_rows(catalogue: Catalogue, change: Any) -> None:
    _fill(catalogue, 2)
    if "number" in str(change):
        change = update(audit).where(audit.c.number == 2).values(at=0.0)
    with pytest.raises(DBAPIError, match="audit rows are for ever"), catalogue.write() as connection:
        connection.execute(change)
    with catalogue.read() as connection:
        assert [each.who for each in entries(connection)] == ["ana", "ana"]


@pytest.mark.parametrize("catalogue", ["postgresql"], indirect=True)
def test_a_server_does_not_empty_the_table(catalogue: Catalogue) -> None:
    _fill(catalogue, 2)
    with pytest.raises(DBAPIError, match="audit rows are for ever"), catalogue.write() as connection:
        connection.execute(text("TRUNCATE audit"))


@both
def test_appends_at_once_make_one_chain(catalogue: Catalogue, store: Store) -> None:
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(10):
                catalogue.repeat(lambda connection: append(connection, at_the_machine(name, "x"), "run.start", "run 1"))
        except BaseException as error:  # noqa: BLE001  # told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"p{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    report = verify_audit(catalogue, store)
    assert (report.rows, report.faults) == (60, [])


@both
def test_what_is_rolled_back_leaves_no_gap(catalogue: Catalogue, store: Store) -> None:
    _fill(catalogue, 1)
    with pytest.raises(RuntimeError), catalogue.write() as connection:  # noqa: PT012  # the transaction is the subject
        append(connection, ANA, "run.start", "run 1")
        raise RuntimeError
    _fill(catalogue, 1)
    assert verify_audit(catalogue, store).faults == []


@both
def test_every_value_comes_back_as_it_was_digested(catalogue: Catalogue, store: Store) -> None:
    odd = {
        "nul": "a\0b",
        "half": "\ud800",
        "nan": float("nan"),
        "deep": [{"ü": 0.1}, 1e300, -0.0, 10**15],
        "long": "x" * 9000,
    }
    by = By("eve\0\ud800", "nobody", NOTHING, "\0", "r")
    with catalogue.write() as connection:
        append(connection, by, "sign in", "person \0", before=odd, after="text", outcome="denied")
        append(connection, ANA, "run.start", "run 1", after=[])
    assert verify_audit(catalogue, store).faults == []


@both
def test_a_row_that_was_altered_is_found_whatever_of_it(catalogue: Catalogue, store: Store) -> None:
    _fill(catalogue, 5)
    _unlocked(catalogue)
    changes: dict[str, Any] = {
        "at": 1.0, "who": "eve", "how": "daemon", "place": "x", "request": "x", "action": "x", "subject": "x",
        "project": "x", "outcome": "denied", "before": {"n": 7}, "after": None, "parent": "x", "digest": "x",
    }  # fmt: skip
    with catalogue.read() as connection:
        row = connection.execute(select(audit).where(audit.c.number == 3)).one()._asdict()
    for column, value in changes.items():
        with catalogue.write() as connection:
            connection.execute(update(audit).where(audit.c.number == 3).values({column: value}))
        faults = verify_audit(catalogue, store).faults
        assert faults, column
        assert faults[0].number in {3, 4}
        with catalogue.write() as connection:
            connection.execute(update(audit).where(audit.c.number == 3).values({column: row[column]}))
    assert verify_audit(catalogue, store).faults == []


@both
def test_rows_that_were_removed_replaced_or_cut_off_are_found(catalogue: Catalogue, store: Store) -> None:
    _fill(catalogue, 6)
    assert anchor(catalogue, store) == anchor(catalogue, store)
    _unlocked(catalogue)
    report = verify_audit(catalogue, store)
    assert (report.anchors, report.anchored, report.faults) == (1, 6, [])
    with catalogue.write() as connection:
        connection.execute(delete(audit).where(audit.c.number > 4))
    assert [each.text for each in verify_audit(catalogue, store).faults] == [
        "the store remembers this row, and it is gone"
    ]
    # New rows in the place of those that were cut off give a chain that is right by itself.
    _fill(catalogue, 2)
    assert [each.text for each in verify_audit(catalogue, store).faults] == [
        "the store remembers another digest of this row"
    ]
    with pytest.raises(Conflict, match="remembers another row 6"):
        anchor(catalogue, store)
    with catalogue.write() as connection:
        connection.execute(delete(audit).where(audit.c.number == 2))
    assert verify_audit(catalogue, store).faults[0].text == "row 2 missing"
    store.objects.replace_object(anchor_key(6), b"{")
    assert any("cannot be read" in each.text for each in verify_audit(catalogue, store).faults)


@both
def test_a_row_that_was_forged_with_a_right_digest_is_found_by_its_neighbour(
    catalogue: Catalogue, store: Store
) -> None:
    _fill(catalogue, 4)
    _unlocked(catalogue)
    with catalogue.write() as connection:
        row = connection.execute(select(audit).where(audit.c.number == 2)).one()._asdict()
        row["who"] = "eve"
        row["digest"] = row_digest(row)
        connection.execute(delete(audit).where(audit.c.number == 2))
        connection.execute(insert(audit).values(row))
    (fault,) = verify_audit(catalogue, store).faults
    assert (fault.number, fault.text) == (3, "it does not follow the row before: one of them was replaced")


@both
def test_questions_find_their_rows(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        append(connection, ANA, "run.start", "run 1", project="blue", after={"pipeline": "Überblick_100%"})
        append(connection, at_the_machine("bob", "x"), "run.start", "run 12", project="red", outcome="denied")
        append(connection, ANA, "dataset.tag", "dataset plates")
    with catalogue.read() as connection:
        found = {
            "who": Question(who="ana"), "action": Question(action="run.start"), "subject": Question(subject="run 1"),
            "below": Question(subject="run 1*"), "project": Question(project="red"),
            "denied": Question(outcome="denied"),
            "text": Question(text="blick_100%"), "none": Question(text="blickx100"), "later": Question(since=9e9),
            "time": Question(since=0.0, until=9e9),
        }  # fmt: skip
        numbers = {name: [each.number for each in entries(connection, asked)] for name, asked in found.items()}
        assert numbers == {
            "who": [3, 1], "action": [2, 1], "subject": [1], "below": [2, 1], "project": [2], "denied": [2],
            "text": [1], "none": [], "later": [], "time": [3, 2, 1],
        }  # fmt: skip
        assert count_entries(connection, found["who"]) == 2
        assert [each.number for each in entries(connection, before=3, limit=1)] == [2]


@pytest.fixture
def exported(catalogue: Catalogue) -> list[dict[str, Any]]:
    _fill(catalogue, 8)
    with catalogue.read() as connection:
        return [json.loads(line_of(each)) for each in all_entries(connection)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_done_to_an_export_shows(exported: list[dict[str, Any]], data: st.DataObject) -> None:
    assert list(verify_rows(exported)) == []
    rows = copy.deepcopy(exported)
    at = data.draw(st.integers(0, len(rows) - 2), label="row")
    match data.draw(st.sampled_from(["alter", "remove", "swap", "double", "first"]), label="what"):
        case "alter":
            name = data.draw(st.sampled_from(sorted(rows[at])), label="field")
            new = data.draw(st.none() | st.booleans() | st.text() | st.floats(allow_nan=False), label="value")
            if rows[at][name] == new:
                return
            rows[at][name] = new
        case "remove":
            del rows[at]
        case "swap":
            rows[at], rows[at + 1] = rows[at + 1], rows[at]
        case "double":
            rows.insert(at, rows[at])
        case _:
            rows = rows[at + 1 :]
    assert list(verify_rows(rows))


def test_an_empty_audit_is_right(catalogue: Catalogue, store: Store) -> None:
    assert anchor(catalogue, store).number == 0
    assert verify_audit(catalogue, store).document() == {
        "rows": 0, "digest": "", "anchors": 0, "anchored": 0, "faults": [],
    }  # fmt: skip
    with catalogue.read() as connection:
        assert head(connection) == (0, "")
