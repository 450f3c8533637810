"""A supervisor that is killed and started again goes on with what it had begun."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import attempt
from aliquot.engine.control import cancel
from aliquot.model.state import ENDED, State
from small_lab import SmallLab
from waiting import until

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)
PROGRAM = Path(__file__).parent.parent / "supervisor_program.py"


def supervisor(lab: SmallLab, work: str) -> subprocess.Popen[str]:
    url = lab.catalogue.engine.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), url, lab.store.url, str(lab.folder / work)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    return process


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Any:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {f"/{number}": f"text {number}" for number in range(4)})
    command = 'echo "$NAME" >> {0}/journal; while [ ! -e {0}/go ]; do sleep 0.02; done; cp "$FILE" "$OUT"/'
    made.apply(
        {
            "pipeline": "copy",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "copy": {
                    "inputs": {"file": {"from": "texts", "glob": "/{name}"}},
                    "command": command.format(tmp_path),
                }
            },
            "outputs": {"copies": {"from": "copy", "publish": "copies"}},
        }
    )
    (tmp_path / "journal").touch()
    yield made
    made.close()


@both
def test_commands_that_run_on_are_not_started_again(lab: SmallLab) -> None:
    number = lab.start("copy")
    journal = lab.folder / "journal"
    process = supervisor(lab, "there")
    until(lambda: [row.state for row in lab.tasks(number)].count(State.RUNNING) == 2)
    process.kill()
    process.communicate()
    begun = journal.read_text().split()
    assert len(begun) == 2
    process = supervisor(lab, "there")
    until(lambda: [(row.state, row.fence) for row in lab.tasks(number)].count((State.RUNNING, 2)) == 2)
    (lab.folder / "go").touch()
    assert process.communicate(timeout=60)[0] == "done\n"
    assert (lab.row(number).state, lab.row(number).parked) == (State.COMPLETE, 0)
    assert sorted(journal.read_text().split()) == ["0", "1", "2", "3"]
    assert lab.content("copies") == lab.content("texts")
    with lab.catalogue.read() as connection:
        rows = connection.execute(select(attempt.c.task_id, attempt.c.fence, attempt.c.state)).all()
    fences = {row.id: row.fence for row in lab.tasks(number)}
    assert sorted((row.task_id, row.fence, row.state) for row in rows) == [
        (task, fences[task], State.COMPLETE) for task in sorted(fences)
    ]
    assert list((lab.folder / "there").iterdir()) == []


@both
def test_what_was_canceled_meanwhile_is_ended(lab: SmallLab) -> None:
    number = lab.start("copy")
    process = supervisor(lab, "there")
    until(lambda: [row.state for row in lab.tasks(number)].count(State.RUNNING) == 2)
    process.kill()
    process.communicate()
    with lab.catalogue.write() as connection:
        cancel(connection, number)
    process = supervisor(lab, "there")
    assert process.communicate(timeout=60)[0] == "done\n"
    assert lab.row(number).state == State.CANCELED
    assert {State(row.state) for row in lab.tasks(number)} <= ENDED
    assert list((lab.folder / "there").iterdir()) == []
