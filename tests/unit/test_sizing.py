"""What `resources: auto` asks for, and what advice says."""

import pytest

from aliquot.engine.advise import quantile, spread
from aliquot.engine.sizing import FIRST_MEMORY, Failed, Needed, Sizes
from aliquot.model.pipeline import Pipeline, Step, StepResources

MIB = 2**20
GIB = 2**30
AUTO = StepResources.model_validate("auto")


def known(*amounts: tuple[int, int]) -> list[Needed]:
    return [Needed(given, memory, 1.0) for given, memory in amounts]


def test_nothing_known_asks_for_the_default() -> None:
    assert Sizes().memory(5) == FIRST_MEMORY
    assert Sizes(known((1, GIB), (1, GIB))).memory(1) == FIRST_MEMORY, "two are too few"


def test_what_similar_datums_needed_is_asked_for_with_head_room() -> None:
    small = [(10 * MIB + each, 400 * MIB) for each in range(20)]
    large = [(1000 * MIB + each, 4 * GIB) for each in range(20)]
    sizes = Sizes(known(*small, *large))
    assert sizes.memory(11 * MIB) == 576 * MIB, "1.3 times 400, in steps of 64"
    assert sizes.memory(1100 * MIB) >= 5.2 * GIB
    assert Sizes(known(*[(1, 5 * MIB)] * 3)).memory(1) == 256 * MIB


def test_a_larger_datum_than_any_is_asked_more_for_in_proportion() -> None:
    sizes = Sizes(known(*[(100 * MIB, GIB)] * 5))
    assert sizes.memory(200 * MIB) == pytest.approx(2.6 * GIB, rel=0.05)


def test_a_failure_for_lack_of_memory_teaches_it() -> None:
    failed = Sizes(failed=[Failed(100 * MIB, GIB)])
    assert failed.memory(100 * MIB) == 2 * GIB
    assert failed.memory(500 * MIB) == 2 * GIB
    assert failed.memory(10 * MIB) == FIRST_MEMORY, "a much smaller one is not to blame"
    assert Sizes(failed=[Failed(1, GIB), Failed(1, 2 * GIB)]).memory(1) == 4 * GIB


def test_processors_are_those_kept_busy() -> None:
    sizes = Sizes([Needed(1, MIB, 3.7)] * 5)
    assert sizes.resources(AUTO, 1).cpus == 4
    assert Sizes().resources(AUTO, 1).cpus == 1


def test_fields_that_are_not_auto_stay_as_they_are() -> None:
    asked = StepResources.model_validate({"memory": "auto", "cpus": 3, "time": "1h"})
    given = Sizes().resources(asked, 1)
    assert (given.cpus, given.memory, given.time) == (3, FIRST_MEMORY, 3600)


def test_auto_memory_is_tried_again_after_running_out_of_it() -> None:
    step = Step.model_validate({"command": "true", "resources": "auto"})
    assert "oom" in step.retry.on
    assert "oom" not in Step.model_validate({"command": "true"}).retry.on
    nested = Pipeline.model_validate(
        {"pipeline": "p", "steps": {"one": {"command": "x", "resources": {"memory": "auto"}}}}
    )
    assert "oom" in nested.steps["one"].retry.on


def test_a_spread_names_values_that_were_there() -> None:
    found = spread([float(each) for each in range(1, 101)])
    assert found
    assert (found.n, found.median, found.p95, found.most) == (100, 50, 95, 100)
    assert quantile([7.0], 0.95) == 7.0
    assert spread([]) is None
