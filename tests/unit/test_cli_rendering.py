"""What is drawn: tables, plans, progress."""

import time
from io import StringIO

import pytest
from rich.console import Console

from aliquot.cli.output import grid, table
from aliquot.cli.progress import lines, under_way
from aliquot.lab.news import Arrived, LoadEnded, News, RunEnded
from aliquot.lab.runs import RunLine, StepLine, datum_label


def _run(**values: object) -> RunLine:
    known: dict[str, object] = {
        "run": 3, "pipeline": "summary", "state": "RUNNING", "message": "", "cause": "new_version", "publish": True,
        "parked": 0, "who": "trigger", "created_at": time.time() - 5, "started_at": time.time() - 4, "ended_at": None,
    }  # fmt: skip
    return RunLine(**{**known, **values})  # type: ignore[arg-type]


def _drawn(what: object, width: int = 80) -> str:
    written = StringIO()
    Console(file=written, width=width, color_system=None, highlight=False, markup=False).print(what)
    return written.getvalue()


def test_columns_are_aligned_and_empty_ones_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", ">files", "note"), [("a", 1, ""), ("b\nc", 1204, None)], empty="Nothing.")
    told = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert told == ["name  files", "a         1", r"b\nc  1,204"]


def test_wide_letters_keep_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "size"), [("日本", "1 B"), ("abcd", "2 B")], empty="")
    told = capsys.readouterr().out.splitlines()
    assert told[1].rstrip() == "日本  1 B"
    assert told[2].rstrip() == "abcd  2 B"


def test_without_rows_a_sentence_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name",), [], empty="There is nothing yet.")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "There is nothing yet.\n"


def test_long_cells_fold_on_a_narrow_terminal() -> None:
    drawn = _drawn(grid(("path", "what"), [("/" + "x" * 60, "word " * 20)]), width=40)
    assert max(len(line) for line in drawn.splitlines()) <= 40
    assert drawn.count("x") == 60
    assert drawn.count("word") == 20


def test_events_are_one_line_each() -> None:
    steps = (StepLine("one", True, 312, ran=3, skipped=308, failed=1),)
    ended = _run(state="COMPLETE", message="1 datum is parked", parked=1, ended_at=time.time())
    news = News(
        arrived=(
            Arrived("inbox", "accepted", "plates", 4, None, 1, "/evil\nname"),
            Arrived("inbox", "accepted", "plates", 5, None, 300, "/x"),
            Arrived("inbox", "quarantined", None, None, 7, 1, "/notes.txt"),
        ),
        begun=(_run(),),
        ended=(RunEnded(ended, steps),),
        loads=(LoadEnded(3, "means", "DONE", 12, ""), LoadEnded(3, "other", "FAILED", 0, "no column")),
    )
    told = [line.plain for line in lines(news)]
    assert told[0] == r"inbox: /evil\nname  accepted into plates@4"
    assert told[1] == "inbox: 300 files  accepted into plates@5"
    assert told[2] == "inbox: /notes.txt  quarantined; see: aliquot quarantine show 7"
    assert told[3] == "run 3: summary begins (new version)"
    assert told[4].startswith("run 3: summary COMPLETE  3 ran, 308 skipped, 1 parked")
    assert "aliquot run show 3" in told[4]
    assert told[5] == "run 3: table means loaded, 12 rows"
    assert told[6] == "run 3: table other failed  no column"
    assert all("\n" not in line for line in told)


def test_many_refusals_are_one_line() -> None:
    refused = tuple(Arrived("inbox", "quarantined", None, None, number, 1, f"/{number}") for number in range(300))
    assert [line.plain for line in lines(News(arrived=refused))] == [
        "inbox: 300 files  quarantined; see: aliquot quarantine list"
    ]


def test_what_is_under_way_shows_counts_of_each_step() -> None:
    steps = (StepLine("first", True, 10, running=2, ran=4, failed=1), StepLine("second", False, 0))
    drawn = _drawn(under_way(News(active=((_run(), steps),))))
    assert "run 3  summary  running" in drawn
    assert "5/10" in drawn
    assert "2 running" in drawn
    assert "1 parked" in drawn
    assert "waits for the steps before it" in drawn


def test_many_runs_do_not_fill_the_terminal() -> None:
    active = tuple((_run(run=number), ()) for number in range(40))
    assert len(_drawn(under_way(News(active=active))).splitlines()) < 10


def test_datums_have_names() -> None:
    assert datum_label({"parts": {"reads": ["/a.fq", {}, True]}}) == "/a.fq"
    assert datum_label({"parts": {"reads": ["/", {"sample": "s1", "1": "x"}, False]}}) == "s1"
    assert datum_label({"parts": {"all": ["/", {}, False]}}) == "everything"
