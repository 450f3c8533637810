"""Files that were swept and are needed again, on both databases, with real processes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from aliquot.blobs import Store
from aliquot.datasets.sweep import sweep
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue
from aliquot.db.tables import blob, output, result, run, run_step, task
from aliquot.engine import control
from aliquot.engine.gate import RECALL
from aliquot.engine.recall import ask, recompute, swept_outputs
from aliquot.model.errors import Conflict
from aliquot.model.lab_config import Retention
from run_rows import make_run
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)
DAY = 86_400.0

CHAIN: dict[str, Any] = {
    "pipeline": "chain",
    "parameters": {"title": {"type": "string", "default": "Total"}},
    "inputs": {"texts": {"dataset": "texts"}},
    "steps": {
        "upper": {
            "inputs": {"file": {"from": "texts", "glob": "/{name}.txt"}},
            "parameters": [],
            "command": 'tr a-z A-Z < "$FILE" > "$OUT/$NAME"',
        },
        "double": {
            "inputs": {"file": {"from": "upper", "glob": "/{name}"}},
            "parameters": [],
            "command": 'cat "$FILE" "$FILE" > "$OUT/$NAME"',
        },
        "total": {
            "inputs": {"all": {"from": "double", "glob": "/"}},
            "command": '(echo "$TITLE"; cat "$ALL"/*) > "$OUT/total"',
        },
    },
    "outputs": {"total": {"from": "total", "publish": "total"}},
}


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.apply(CHAIN)
    made.add("texts", {"/a.txt": "one\n", "/b.txt": "two\n"})
    yield made
    made.close()


def swept(lab: SmallLab, days: float) -> None:
    for day in (days, days + 1.5):
        sweep(lab.catalogue, lab.store, Retention(), dry_run=False, now=time.time() + day * DAY)


@both
def test_a_new_task_has_its_swept_inputs_made_again_however_far_back(lab: SmallLab) -> None:
    lab.run("chain")
    swept(lab, 8)
    number = lab.run("chain", title="Sum")
    assert lab.row(number).state == "COMPLETE"
    assert lab.ran(number) == ["total:/"], "what has succeeded is skipped in the run itself"
    assert lab.content("total")["/total"] == b"Sum\nONE\nONE\nTWO\nTWO\n"
    recalled = [row for other in range(number + 1, number + 5) for row in lab.tasks(other)]
    assert sorted(row.step for row in recalled) == ["double", "double", "upper", "upper"]
    assert {row.message for row in recalled} == {"The same bytes as before the sweep."}
    assert verify(lab.catalogue, lab.store, None).sound


@both
def test_what_only_hands_a_file_on_is_not_asked_to_make_it_again(lab: SmallLab) -> None:
    steps = dict(CHAIN["steps"])
    steps["handed"] = {
        "inputs": {"file": {"from": "double", "glob": "/*"}},
        "parameters": [],
        "command": 'cp "$FILE" "$OUT"',
    }
    steps["checked"] = {"inputs": {"file": {"from": "handed", "glob": "/*"}}, "ensure": [{"non_empty": True}]}
    steps["total"] = {**steps["total"], "inputs": {"all": {"from": "checked", "glob": "/"}}}
    lab.apply({**CHAIN, "steps": steps})
    lab.run("chain")
    swept(lab, 8)
    number = lab.run("chain", title="Sum")
    assert lab.row(number).state == "COMPLETE"
    assert lab.content("total")["/total"] == b"Sum\nONE\nONE\nTWO\nTWO\n"
    recalled = [row for other in range(number + 1, number + 5) for row in lab.tasks(other)]
    assert sorted(row.step for row in recalled) == ["double", "double", "upper", "upper"]


@both
def test_other_bytes_than_before_are_said_and_the_next_run_works_with_them(lab: SmallLab) -> None:
    odd = {**CHAIN, "steps": {**CHAIN["steps"], "upper": {**CHAIN["steps"]["upper"],
           "command": 'cat "$FILE" /proc/sys/kernel/random/uuid > "$OUT/$NAME"'}}}  # fmt: skip
    del odd["steps"]["double"]
    odd["steps"]["total"] = {**odd["steps"]["total"], "inputs": {"all": {"from": "upper", "glob": "/"}}}
    lab.apply(odd)
    lab.run("chain")
    swept(lab, 8)
    first = lab.run("chain", title="Sum")
    assert lab.row(first).state != "COMPLETE"
    [total] = lab.tasks(first, "total")
    assert "was swept" in total.message
    said = {row.message.split(".")[0] for row in lab.tasks(first + 1)}
    assert said == {"Other bytes than before the sweep: /a", "Other bytes than before the sweep: /b"}
    second = lab.run("chain", title="Sum")
    assert lab.row(second).state == "COMPLETE"
    assert verify(lab.catalogue, lab.store, None).sound


@both
def test_swept_outputs_are_made_again_when_asked_for(lab: SmallLab) -> None:
    number = lab.start("chain", publish=False)
    lab.supervise()
    with lab.catalogue.write() as connection, pytest.raises(Conflict) as error:
        recompute(connection, number, "test")
    assert error.value.code == "nothing-swept"
    swept(lab, 91)
    with lab.catalogue.write() as connection:
        [again] = recompute(connection, number, "test")
    lab.supervise()
    assert lab.row(again).state == "COMPLETE"
    assert [row.message for row in lab.tasks(again)] == ["The same bytes as before the sweep."]
    with lab.catalogue.write() as connection, pytest.raises(Conflict):
        recompute(connection, number, "test")


@both
def test_outputs_that_were_swept_are_made_again_before_they_are_published(lab: SmallLab) -> None:
    lab.start("chain", publish=False)
    lab.supervise()
    swept(lab, 91)
    number = lab.run("chain")
    assert lab.row(number).state == "COMPLETE"
    assert lab.ran(number) == []
    assert lab.content("total")["/total"] == b"Total\nONE\nONE\nTWO\nTWO\n"
    assert verify(lab.catalogue, lab.store, None).sound


@both
def test_who_waits_for_a_canceled_run_is_told_and_later_ones_ask_again(lab: SmallLab) -> None:
    first = lab.run("chain")
    swept(lab, 8)
    waiting = lab.start("chain", title="Sum")
    with lab.catalogue.write() as connection:
        gone = swept_outputs(connection, first, {"double"})
        assert ask(connection, gone, "test") is None
        control.cancel(connection, waiting + 1)
    assert {row.state for row in lab.tasks(waiting + 1)} == {"CANCELED"}
    with lab.catalogue.write() as connection:
        reason = ask(connection, gone, "test", lab.row(waiting).created_at)
        assert reason
        assert f"{waiting + 1}/double" in reason
    lab.supervise(seconds=30)
    assert lab.row(waiting).state == "COMPLETE", "its task was planned after that"
    assert lab.content("total")["/total"] == b"Sum\nONE\nONE\nTWO\nTWO\n"


@pytest.mark.parametrize("limit", [{"at_most": 1}, {"at_most": 1, "then": "newest"}])
def test_a_limit_of_runs_is_not_for_those_that_make_swept_files_again(lab: SmallLab, limit: dict[str, Any]) -> None:
    lab.apply({**CHAIN, "runs": limit})
    lab.run("chain")
    swept(lab, 8)
    number = lab.start("chain", title="Sum")
    lab.supervise(seconds=30)
    assert lab.row(number).state == "COMPLETE"
    assert {lab.row(other).state for other in range(number + 1, number + 3)} == {"COMPLETE"}
    with lab.catalogue.read() as connection:
        assert set(connection.execute(select(run.c.cause).where(run.c.id > number)).scalars()) == {RECALL}


@both
def test_what_ended_a_run_does_not_end_the_one_that_makes_its_files_again(lab: SmallLab) -> None:
    hurried = {**CHAIN["steps"], "total": {**CHAIN["steps"]["total"], "command": "exit 1"}}
    lab.apply({**CHAIN, "steps": hurried})
    first = lab.run("chain")
    with lab.catalogue.write() as connection:
        # As a run has it that went past its deadline; the fault above has ended this one already.
        late = {"ends_as": "EXECUTOR_ERROR", "deadline": 0.0, "covers": 1.0}
        connection.execute(update(run).where(run.c.id == first).values(late))
    lab.apply(CHAIN)
    swept(lab, 91)
    number = lab.run("chain")
    assert lab.row(number).state == "COMPLETE"
    recalled = lab.row(number + 1)
    assert (recalled.cause, recalled.state) == (RECALL, "COMPLETE")
    assert (recalled.ends_as, recalled.deadline, recalled.covers) == (None, None, None)


@both
def test_many_files_are_asked_for_with_few_statements(catalogue: Catalogue) -> None:
    count = 1_000
    number = make_run(catalogue, [f"k{each}" for each in range(count)])
    gone = {"size": 1, "offset": 0, "doomed_at": 1.0, "swept_at": 2.0}
    with catalogue.write() as connection:
        connection.execute(update(task).values(state="COMPLETE", ended_at=1.0))
        made = connection.execute(select(task.c.key, task.c.id)).all()
        connection.execute(insert(blob), [{"digest": f"d{row.key}", **gone} for row in made])
        files = [{"key": row.key, "path": "/x", "digest": f"d{row.key}", "size": 1} for row in made]
        connection.execute(insert(output), files)
        results = [{"key": row.key, "parts": {}, "task_id": row.id, "created_at": 1.0} for row in made]
        connection.execute(insert(result), results)
    said: list[str] = []
    event.listen(catalogue.engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    for _ in range(2):
        with catalogue.write() as connection:
            assert ask(connection, [f"dk{each}" for each in range(count)], "test") is None
    assert len(said) < 60
    with catalogue.read() as connection:
        again = connection.execute(select(task.c.run_id).where(task.c.recall)).scalars().all()
        steps = select(run_step.c.datums).where(run_step.c.run_id == number + 1)
        assert again == [number + 1] * count
        assert connection.execute(steps).scalar_one() == count
