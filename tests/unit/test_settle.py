"""When a landing has arrived, by a clock that the tests turn."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliquot.intake.scan import File
from aliquot.intake.settle import Clock, Landing, Settling
from aliquot.model.lab_config import Settled

PAIR = ["{name}.imzML", "{name}.ibd"]


def _file(path: str, size: int = 1, mtime_ns: int = 0) -> File:
    return File(path, "/source" + path, size, mtime_ns)


def _clock(ticks: float) -> Clock:
    return Clock(ticks, 1_700_000_000 + ticks)


def _paths(landings: list[Landing]) -> list[tuple[str, ...]]:
    return [tuple(file.path for file in each.files) for each in landings]


def _see(settling: Settling, ticks: float, *paths: str, taken: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    return _paths(settling.see(sorted(_file(path) for path in paths), _clock(ticks), taken))


def test_a_file_settles_when_it_has_not_changed_for_the_quiet_period() -> None:
    settling = Settling(Settled(quiet=2))
    assert settling.see([_file("/a", 1)], _clock(10)) == []
    assert settling.see([_file("/a", 2)], _clock(11.9)) == []
    assert settling.see([_file("/a", 2, mtime_ns=5)], _clock(13)) == []
    assert settling.see([_file("/a", 2, mtime_ns=5)], _clock(14.9)) == []
    (waits,) = settling.pending
    assert (waits.path, waits.until) == ("/a", 15)
    assert "2 s" in waits.why
    (landing,) = settling.see([_file("/a", 2, mtime_ns=5)], _clock(15))
    assert (landing.seen_at, landing.settled_at) == (_clock(13).at, _clock(15).at)
    assert settling.pending == ()


def test_a_landing_is_given_again_until_it_is_taken() -> None:
    settling = Settling(Settled(quiet=0))
    assert _see(settling, 0, "/a") == [("/a",)]
    assert _see(settling, 1, "/a") == [("/a",)]
    assert _see(settling, 2, "/a", taken=("/a",)) == []


def test_a_file_that_went_and_came_back_begins_anew() -> None:
    settling = Settling(Settled(quiet=2))
    _see(settling, 0, "/a")
    _see(settling, 1)
    assert _see(settling, 2.5, "/a") == []
    assert _see(settling, 4.5, "/a") == [("/a",)]


def test_a_file_that_moved_while_it_was_read_begins_anew() -> None:
    settling = Settling(Settled(quiet=2))
    _see(settling, 0, "/a")
    settling.unsettle("/a")
    assert _see(settling, 3, "/a") == []
    assert _see(settling, 5, "/a") == [("/a",)]


def test_a_marker_lets_its_file_go_and_is_no_data() -> None:
    settling = Settling(Settled(quiet=0, marker="{path}.done"))
    assert _see(settling, 0, "/x/a", "/x/b", "/x/b.done") == [("/x/b",)]
    (waits,) = settling.pending
    assert (waits.path, waits.until) == ("/x/a", None)
    assert "/x/a.done" in waits.why


def test_the_quiet_period_holds_beside_a_marker() -> None:
    settling = Settling(Settled(quiet=2, marker="{path}.done"))
    assert _see(settling, 0, "/a", "/a.done") == []
    assert _see(settling, 2, "/a", "/a.done") == [("/a",)]


@pytest.mark.parametrize(
    ("marker", "file", "at"),
    [
        ("{folder}/DONE", "/run/deep/a", "/run/DONE"),
        ("{folder}/DONE", "/a", "/DONE"),
        ("DONE", "/run/a", "/run/DONE"),
        ("{folder}/{stem}.ok", "/run/a.csv", "/run/a.ok"),
        ("{name}.md5", "/run/a.csv", "/run/a.csv.md5"),
    ],
)
def test_markers_by_folder_and_name(marker: str, file: str, at: str) -> None:
    settling = Settling(Settled(quiet=0, marker=marker))
    assert _see(settling, 0, file) == []
    assert _see(settling, 0, file, at) == [(file,)]
    assert _see(settling, 0, file, "/elsewhere" + at) == []


def test_a_set_settles_whole_in_the_order_of_its_patterns() -> None:
    settling = Settling(Settled(quiet=2, set=PAIR))
    assert _see(settling, 0, "/r/a.imzML", "/r/b.ibd", "/q/a.ibd") == []
    assert {each.path: each.until for each in settling.pending} == {
        "/r/a.imzML": None, "/r/b.ibd": None, "/q/a.ibd": None,
    }  # fmt: skip
    assert "a.ibd" in next(each.why for each in settling.pending if each.path == "/r/a.imzML")
    assert _see(settling, 5, "/r/a.imzML", "/r/a.ibd") == []
    (waits,) = settling.pending
    assert waits.until == 7
    assert _see(settling, 7, "/r/a.imzML", "/r/a.ibd") == [("/r/a.imzML", "/r/a.ibd")]


def test_a_change_in_one_file_brings_the_whole_set_again() -> None:
    settling = Settling(Settled(quiet=0, set=PAIR))
    assert _see(settling, 0, "/a.imzML", "/a.ibd", taken=("/a.imzML", "/a.ibd")) == []
    assert _see(settling, 1, "/a.imzML", "/a.ibd", taken=("/a.imzML",)) == [("/a.imzML", "/a.ibd")]


def test_endings_in_either_case_belong_together() -> None:
    settling = Settling(Settled(quiet=0), [PAIR])
    assert _see(settling, 0, "/A.IMZML", "/A.ibd", "/other.csv") == [("/A.IMZML", "/A.ibd"), ("/other.csv",)]


def test_the_pattern_that_says_most_decides_to_which_place_a_file_belongs() -> None:
    settling = Settling(Settled(quiet=0, set=["{name}.csv", "{name}.meta.csv"]))
    assert _see(settling, 0, "/a.csv", "/a.meta.csv") == [("/a.csv", "/a.meta.csv")]


def test_a_folder_settles_when_so_many_files_are_there_and_rest() -> None:
    settling = Settling(Settled(quiet=2, count=3))
    assert _see(settling, 0, "/p/1", "/p/2", "/q/1") == []
    assert "2 of 3" in next(each.why for each in settling.pending if each.path == "/p/1")
    assert all(each.until is None for each in settling.pending)
    assert _see(settling, 5, "/p/1", "/p/2", "/p/3", "/q/1") == []
    assert _see(settling, 7, "/p/1", "/p/2", "/p/3", "/q/1") == [("/p/1",), ("/p/2",), ("/p/3",)]
    assert _see(settling, 9, "/p/1", "/p/2", "/p/3", "/p/4", taken=("/p/1", "/p/2", "/p/3")) == []
    assert _see(settling, 11, "/p/1", "/p/2", "/p/3", "/p/4", taken=("/p/1", "/p/2", "/p/3")) == [("/p/4",)]


@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 5, allow_nan=False), st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=3)
        ),
        max_size=30,
    ),
    quiet=st.floats(0, 8, allow_nan=False),
)
def test_what_settles_has_been_seen_unchanged_throughout_the_quiet_period(
    steps: list[tuple[float, dict[str, int]]], quiet: float
) -> None:
    settling = Settling(Settled(quiet=quiet))
    ticks = 0.0
    history: list[tuple[float, dict[str, int]]] = []
    for pause, sizes in steps:
        ticks += pause
        history.append((ticks, sizes))
        files = [_file(f"/{name}", size) for name, size in sorted(sizes.items())]
        settled = {each.files[0].path[1:] for each in settling.see(files, _clock(ticks))}
        assert settled == {name for name in sizes if ticks >= _since(history, name) + quiet}
        assert {each.path[1:]: each.until for each in settling.pending} == {
            name: _since(history, name) + quiet for name in sizes if name not in settled
        }


def _since(history: list[tuple[float, dict[str, int]]], name: str) -> float:
    since = history[-1][0]
    for later, earlier in pairwise(reversed(history)):
        if earlier[1].get(name) != later[1].get(name):
            break
        since = earlier[0]
    return since
