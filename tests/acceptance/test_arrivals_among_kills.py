"""Files that come to a folder and two buckets while what takes them in is killed. See `make soak-arrivals`."""

import os
from pathlib import Path

import pytest

from azurite import azurite_of
from bucket import bucket_of
from soak.arrivals import SQLITE, Plan, soak_arrivals


@pytest.mark.timeout(600)
def test_every_file_arrives_once_whatever_is_killed_and_whatever_events_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(arrivals=150, kills=3, seed=int(os.environ.get("ALIQUOT_SEED", "7")), pause=4.0)
    with bucket_of(monkeypatch) as s3, azurite_of() as azure:
        report = soak_arrivals(tmp_path, plan, SQLITE, s3, azure)
    assert report.faults == []
    assert report.kills == plan.kills
    assert report.lost > 0
