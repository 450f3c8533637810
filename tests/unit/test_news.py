"""What a person is told while a lab is at work: each thing once, and nothing from before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.engine.control import find_run, find_task
from aliquot.lab.news import News, Watch
from aliquot.lab.runs import attempts, parked, runs, steps, tasks
from aliquot.model.errors import Invalid
from small_lab import SmallLab

COPY = {
    "pipeline": "copy",
    "inputs": {"files": {"dataset": "files"}},
    "steps": {
        "one": {
            "inputs": {"file": {"from": "files", "glob": "/*"}},
            "command": 'grep -v bad "$FILE" > "$OUT/$(basename "$FILE")"',
        },
    },
    "outputs": {"copies": {"from": "one", "publish": "copies"}},
    "tables": {"t": {"from": "one", "schema": {"fields": [{"name": "a"}]}}},
}


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    small = SmallLab(catalogue, store, tmp_path)
    small.apply(COPY)
    yield small
    small.close()


def _look(lab: SmallLab, watch: Watch) -> News:
    with lab.catalogue.read() as connection:
        return watch.look(connection, most=6)


def test_a_run_is_told_when_it_begins_and_when_it_ends(lab: SmallLab) -> None:
    lab.add("files", {"/a": "good\n", "/b": "bad\n"})
    before = lab.run("copy")
    with lab.catalogue.read() as connection:
        watch = Watch(connection)
    assert _look(lab, watch) == News()
    number = lab.start("copy")
    assert number > before
    news = _look(lab, watch)
    assert [each.run for each in news.begun] == [number]
    assert [each.run for each, _ in news.active] == [number]
    lab.supervise()
    news = _look(lab, watch)
    (ended,) = news.ended
    assert (ended.run.state, ended.run.parked) == ("COMPLETE", 1)
    assert [(each.skipped, each.failed) for each in ended.steps] == [(1, 1)]
    assert (news.begun, news.active, news.loads) == ((), (), ())
    assert _look(lab, watch) == News()


def test_a_watch_may_keep_to_one_run(lab: SmallLab) -> None:
    lab.add("files", {"/a": "good\n"})
    mine, other = lab.start("copy"), lab.start("copy", publish=False)
    with lab.catalogue.read() as connection:
        watch = Watch(connection, only=mine)
    assert [each.run for each in _look(lab, watch).begun] == [mine]
    lab.supervise()
    assert [each.run.run for each in _look(lab, watch).ended] == [mine]
    assert other > mine


def test_runs_steps_tasks_and_attempts_as_people_look_at_them(lab: SmallLab) -> None:
    lab.add("files", {"/a": "good\n", "/b": "bad\n"})
    number = lab.run("copy")
    with lab.catalogue.read() as connection:
        assert find_run(connection, number).id == number
        assert [each.run for each in runs(connection, "copy", "complete")] == [number]
        assert runs(connection, "other") == []
        (step,) = steps(connection, number)
        assert (step.datums, step.ran, step.failed, step.ended) == (2, 1, 1, 2)
        (failed,) = parked(connection, number)
        assert (failed.task, failed.datum, failed.cause) == ("one/2", "/b", "user")
        assert [each.task for each in tasks(connection, number)] == ["one/1", "one/2"]
        (tried,) = attempts(connection, find_task(connection, number, "one/2"))
        assert (tried.attempt, tried.exit_code) == (1, 1)
        with pytest.raises(Invalid, match="COMPLETE"):
            runs(connection, state="done")
