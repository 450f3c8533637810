"""Sources that are looked at by a schedule, on both databases."""

from datetime import UTC, datetime

import pytest

from aliquot.daemon.source_hours import SourceHours
from aliquot.db import Catalogue
from aliquot.intake.decided import Taken
from aliquot.intake.scan import File
from aliquot.intake.settle import Pending
from aliquot.intake.source import Look
from aliquot.lab.source_states import source_states
from aliquot.model.lab_config import Source

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def _hours(catalogue: Catalogue, **settings: object) -> SourceHours:
    rule = {"cron": "0 2 * * *", "zone": "Europe/Berlin", **settings}
    document = {"watch": "inbox", "accept": [{"type": "a", "into": "b"}]}
    sources = {
        "nightly": Source.model_validate({**document, "schedule": rule}),
        "always": Source.model_validate(document),
    }
    return SourceHours(catalogue, sources)


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=UTC)


@both
def test_a_source_opens_at_its_time_and_closes_when_all_is_taken(catalogue: Catalogue) -> None:
    hours = _hours(catalogue)
    assert hours.is_open("always", _at(1, 12))
    # Two at night in Berlin is midnight in UTC; what was before the schedule is not made up.
    assert not hours.is_open("nightly", _at(1, 12))
    assert not hours.is_open("nightly", _at(1, 23, 59))
    assert hours.is_open("nightly", _at(2, 0))
    for look in (
        Look(pending=(Pending("/a", "quiet", "", 5.0),)),
        Look(taken=Taken(safe=[File("/a", "", 0, 0)])),
        Look(more=True),
    ):
        hours.note("nightly", look)
        assert hours.is_open("nightly", _at(2, 0, 5))
    hours.note("nightly", Look(pending=(Pending("/b", "set", "", None),)))
    assert not hours.is_open("nightly", _at(2, 0, 6))
    assert not _hours(catalogue).is_open("nightly", _at(2, 23))


@both
@pytest.mark.parametrize(("missed", "opens"), [("once", True), ("all", True), ("none", False)])
def test_times_that_passed_meanwhile_are_made_up_once_or_not(catalogue: Catalogue, missed: str, opens: bool) -> None:
    assert not _hours(catalogue, missed=missed).is_open("nightly", _at(1, 12))
    later = _hours(catalogue, missed=missed)
    assert later.is_open("nightly", _at(4, 9)) is opens
    later.note("nightly", Look())
    assert not later.is_open("nightly", _at(4, 10))
    assert later.is_open("nightly", _at(5, 0))


def test_another_schedule_begins_anew(catalogue: Catalogue) -> None:
    assert not _hours(catalogue).is_open("nightly", _at(1, 12))
    assert not _hours(catalogue, cron="0 3 * * *").is_open("nightly", _at(4, 12))


def test_a_source_with_a_schedule_is_said_to_be_looked_at_by_the_clock_alone(catalogue: Catalogue) -> None:
    clock = {"cron": "0 2 * * *", "zone": "Europe/Berlin"}
    document = {"watch": "./inbox", "accept": [{"type": "any", "into": "plates"}]}
    sources = {
        "night": Source.model_validate({**document, "schedule": clock}),
        "always": Source.model_validate(document),
    }
    with catalogue.read() as connection:
        always, night = source_states(connection, sources)
    assert (night.schedule, night.told_by) == ("0 2 * * * Europe/Berlin", "")
    assert (always.schedule, always.told_by) == ("", "the file system")
