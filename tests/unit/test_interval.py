"""When a source is looked at again: soon while things arrive, seldom while nothing does."""

from aliquot.intake.interval import Pace


def test_the_pause_grows_while_nothing_comes_and_is_short_again_when_something_does() -> None:
    pace = Pace(0.5, 60)
    quiet = [pace.after(0, moved=False) for _ in range(9)]
    assert quiet == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pace.after(0, moved=True) == 0.5
    assert pace.after(0, moved=False) == 1


def test_a_look_that_takes_long_is_not_all_that_a_machine_does() -> None:
    assert Pace(0.5, 60).after(3, moved=True) == 12
    assert Pace(0.5, 60).after(1000, moved=True) == 60
