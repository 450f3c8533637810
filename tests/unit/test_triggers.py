"""What starts runs by itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import definition, run
from aliquot.engine.supervise import Supervisor
from aliquot.engine.triggers import start_triggered
from aliquot.model.state import State
from instant_executor import InstantExecutor
from small_lab import SmallLab

START = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    yield made
    made.close()


def apply(lab: SmallLab, trigger: Any, name: str = "copy", **more: Any) -> None:
    lab.apply(
        {
            "pipeline": name,
            "inputs": {"texts": {"dataset": "texts"}, "sheets": {"dataset": "sheets"}},
            "steps": {"copy": {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": "cp"}},
            "outputs": {"copies": {"from": "copy", "publish": f"copies-of-{name}"}},
            "trigger": trigger,
            **more,
        }
    )
    with lab.catalogue.write() as connection:
        connection.execute(update(definition).values(applied_at=START.timestamp()))


def work_off(lab: SmallLab) -> None:
    executor = InstantExecutor()
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: executor)
    for _ in range(20):
        supervisor.cycle()
    assert supervisor.idle()


def test_a_new_version_starts_one_run_that_publishes(lab: SmallLab) -> None:
    apply(lab, {"new_version": ["texts"]})
    assert start_triggered(lab.catalogue) == [], "there is no version yet"
    lab.add("texts", {"/a": "1"})
    (number,) = start_triggered(lab.catalogue)
    assert start_triggered(lab.catalogue) == []
    work_off(lab)
    assert start_triggered(lab.catalogue) == []
    row = lab.row(number)
    assert (row.cause, row.publish, row.state) == ("new_version", True, State.COMPLETE)
    assert lab.content("copies-of-copy") == {"/a": b"1"}


def test_versions_that_come_while_a_run_is_under_way_become_one_run_more(lab: SmallLab) -> None:
    apply(lab, {"new_version": ["texts"]})
    lab.add("texts", {"/a": "1"})
    assert len(start_triggered(lab.catalogue)) == 1
    for name in "bcd":
        lab.add("texts", {f"/{name}": name})
        assert start_triggered(lab.catalogue) == []
    work_off(lab)
    (number,) = start_triggered(lab.catalogue)
    assert lab.row(number).inputs["texts"] == ["texts", 4]
    work_off(lab)
    assert start_triggered(lab.catalogue) == []


def test_only_the_named_datasets_count(lab: SmallLab) -> None:
    apply(lab, {"new_version": ["texts"]})
    lab.add("sheets", {"/s": "1"})
    assert start_triggered(lab.catalogue) == []
    lab.add("texts", {"/a": "1"})
    assert len(start_triggered(lab.catalogue)) == 1
    work_off(lab)
    lab.add("sheets", {"/s": "2"})
    assert start_triggered(lab.catalogue) == []


def test_a_changed_definition_starts_a_run(lab: SmallLab) -> None:
    apply(lab, {"new_version": ["texts"]})
    lab.add("texts", {"/a": "1"})
    start_triggered(lab.catalogue)
    work_off(lab)
    apply(lab, {"new_version": ["texts"]}, title="Changed")
    assert len(start_triggered(lab.catalogue)) == 1


def test_a_run_that_a_person_started_does_not_stand_in_the_way(lab: SmallLab) -> None:
    apply(lab, {"new_version": ["texts"]})
    lab.add("texts", {"/a": "1"})
    lab.start("copy")
    assert len(start_triggered(lab.catalogue)) == 1


def test_without_a_trigger_nothing_starts(lab: SmallLab) -> None:
    apply(lab, "manual")
    lab.add("texts", {"/a": "1"})
    assert start_triggered(lab.catalogue, START + timedelta(days=400)) == []


def test_a_schedule_starts_one_run_for_each_time_it_reaches(lab: SmallLab) -> None:
    apply(lab, {"schedule": "0 2 * * *"})
    assert start_triggered(lab.catalogue, START) == [], "two o'clock was before the pipeline was there"
    two = START + timedelta(minutes=30)
    (number,) = start_triggered(lab.catalogue, two)
    assert start_triggered(lab.catalogue, two + timedelta(hours=3)) == []
    assert lab.row(number).cause == "schedule"
    work_off(lab)
    assert start_triggered(lab.catalogue, two + timedelta(hours=23)) == []
    assert len(start_triggered(lab.catalogue, two + timedelta(days=1))) == 1


def test_times_that_passed_while_nobody_looked_become_one_run(lab: SmallLab) -> None:
    apply(lab, {"schedule": "*/10 * * * *"})
    assert len(start_triggered(lab.catalogue, START + timedelta(days=3))) == 1
    work_off(lab)
    assert start_triggered(lab.catalogue, START + timedelta(days=3, minutes=5)) == []


def test_a_time_that_comes_while_its_run_is_under_way_waits(lab: SmallLab) -> None:
    apply(lab, {"schedule": "*/10 * * * *"})
    assert len(start_triggered(lab.catalogue, START + timedelta(minutes=10))) == 1
    assert start_triggered(lab.catalogue, START + timedelta(minutes=20)) == []
    with lab.catalogue.write() as connection:
        connection.execute(update(run).values(state=State.CANCELED))
    assert len(start_triggered(lab.catalogue, START + timedelta(minutes=20))) == 1


def test_a_pipeline_that_cannot_start_does_not_stop_the_others(lab: SmallLab) -> None:
    apply(lab, {"new_version": ["texts"]}, "a-broken", parameters={"needed": {"type": "string"}})
    apply(lab, {"new_version": ["texts"]}, "b-good")
    apply(lab, {"new_version": ["texts"]}, "c-unreadable")
    with lab.catalogue.write() as connection:
        connection.execute(update(definition).where(definition.c.name == "c-unreadable").values(document={"x": 1}))
    lab.add("texts", {"/a": "1"})
    (number,) = start_triggered(lab.catalogue)
    assert lab.row(number).pipeline == "b-good"


def fire(lab: SmallLab, *moments: datetime) -> list[str]:
    """Look at these times, with all runs done in between; gives what schedule times were answered."""
    for moment in moments:
        while start_triggered(lab.catalogue, moment):
            work_off(lab)
    with lab.catalogue.read() as connection:
        rows = connection.execute(select(run.c.covers).where(run.c.covers.is_not(None)).order_by(run.c.id)).scalars()
        return [datetime.fromtimestamp(each, UTC).strftime("%m-%d %H:%M") for each in rows]


def test_missed_times_are_made_up_one_by_one(lab: SmallLab) -> None:
    apply(lab, {"schedule": {"cron": "0 2 * * *", "missed": "all"}})
    assert fire(lab, START + timedelta(days=3)) == ["03-01 02:00", "03-02 02:00", "03-03 02:00"]


def test_missed_times_are_left_out(lab: SmallLab) -> None:
    apply(lab, {"schedule": {"cron": "0 2 * * *", "missed": "none"}})
    assert fire(lab, START + timedelta(days=3), START + timedelta(days=3, minutes=30, seconds=20)) == ["03-04 02:00"]


@pytest.mark.parametrize(
    ("cron", "day", "times"),
    [
        ("30 2 * * *", datetime(2026, 3, 28, 23, 30, tzinfo=UTC), ["03-29 01:00", "03-30 00:30"]),
        ("30 2 * * *", datetime(2026, 10, 24, 22, 30, tzinfo=UTC), ["10-25 00:30", "10-26 01:30"]),
    ],
    ids=["put forward", "put back"],
)
def test_a_time_of_day_comes_once_where_clocks_change(
    lab: SmallLab, cron: str, day: datetime, times: list[str]
) -> None:
    apply(lab, {"schedule": {"cron": cron, "zone": "Europe/Berlin"}})
    with lab.catalogue.write() as connection:
        connection.execute(update(definition).values(applied_at=day.timestamp()))
    assert fire(lab, *(day + timedelta(minutes=10 * step) for step in range(170))) == times


def test_a_new_version_and_a_due_time_are_answered_by_one_run(lab: SmallLab) -> None:
    apply(lab, {"new_version": ["texts"], "schedule": "0 2 * * *"})
    lab.add("texts", {"/a": "1"})
    two = START + timedelta(minutes=30)
    assert len(start_triggered(lab.catalogue, two)) == 1
    lab.add("texts", {"/b": "1"})
    assert start_triggered(lab.catalogue, two + timedelta(days=1)) == []
    work_off(lab)
    (number,) = start_triggered(lab.catalogue, two + timedelta(days=1))
    assert lab.row(number).inputs["texts"] == ["texts", 2]
    work_off(lab)
    assert start_triggered(lab.catalogue, two + timedelta(days=1, hours=1)) == []


def test_a_schedule_that_is_added_later_makes_up_nothing_from_before(lab: SmallLab) -> None:
    apply(lab, "manual")
    apply(lab, {"schedule": "0 2 * * *"})
    with lab.catalogue.write() as connection:
        newest = select(func.max(definition.c.id)).scalar_subquery()
        later = (START + timedelta(days=2)).timestamp()
        connection.execute(update(definition).where(definition.c.id == newest).values(applied_at=later))
    assert start_triggered(lab.catalogue, START + timedelta(days=2, minutes=5)) == []
    assert len(start_triggered(lab.catalogue, START + timedelta(days=2, minutes=40))) == 1
