"""Files that were swept and are needed again, on both databases, with real processes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aliquot.blobs import Store
from aliquot.datasets.sweep import sweep
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue
from aliquot.engine import control
from aliquot.engine.recall import ask, recompute, swept_outputs
from aliquot.model.errors import Conflict
from aliquot.model.lab_config import Retention
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
