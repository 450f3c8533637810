"""Random kills, hangs and losses of the catalogue: a lab ends as one that nobody disturbed. See `make soak`."""

import os
from pathlib import Path

import pytest

from soak.run import Plan, soak


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_lab_among_random_troubles_ends_as_one_that_was_not(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plan = Plan(events=20, seed=int(os.environ.get("ALIQUOT_SEED", "7")), tasks=250, lease=2.0, pause=0.8)
    cluster = request.getfixturevalue("postgresql_cluster") if kind == "postgresql" else None
    report = soak(tmp_path, plan, cluster)
    assert report.faults == []
    assert report.troubles.total() == plan.events
