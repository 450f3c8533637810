"""Learning from attempts, on both databases, with real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import attempt
from aliquot.engine.advise import advise
from aliquot.engine.sizing import FIRST_MEMORY, sizes_of
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    made.add("texts", {f"/{name}.txt": "some text " * 20 for name in "abcd"})
    yield made
    made.close()


def _pipeline(resources: object, command: str = 'cat "$FILE" > "$OUT/$NAME"; sleep 0.3') -> dict[str, object]:
    return {
        "pipeline": "learn",
        "inputs": {"texts": {"dataset": "texts"}},
        "steps": {
            "copy": {
                "inputs": {"file": {"from": "texts", "glob": "/{name}.txt"}},
                "command": command,
                "resources": resources,
            }
        },
    }


@both
def test_advice_says_what_is_far_too_high_and_the_line_to_write(lab: SmallLab) -> None:
    lab.apply(_pipeline({"memory": "16GiB", "cpus": 1}))
    lab.run("learn")
    with lab.catalogue.read() as connection:
        [found] = advise(connection, "learn")
    assert found.input
    assert (found.input.n, found.input.median) == (4, 200)
    assert found.memory
    assert "asks for 16.0 GiB of memory" in found.says[0]
    assert found.line == "resources: {memory: 256MiB}"


@both
def test_auto_asks_for_less_when_it_knows_and_no_key_changes(lab: SmallLab) -> None:
    lab.apply(_pipeline({"memory": "4GiB"}))
    first = lab.run("learn")
    lab.apply(_pipeline("auto"))
    assert lab.ran(lab.run("learn")) == [], "what is asked for is not in the key"
    lab.add("texts", {"/e.txt": "some other text"})
    last = lab.run("learn")
    with lab.catalogue.read() as connection:
        [asked] = connection.execute(
            select(attempt.c.asked).where(attempt.c.task_id.in_([row.id for row in lab.tasks(last)]))
        ).scalars()
        assert len(sizes_of(connection, "learn", "copy").needed) == 5
    assert asked["memory"] == 256 * 2**20 < FIRST_MEMORY
    assert lab.row(first).state == "COMPLETE"


@both
def test_running_out_of_memory_teaches_the_next_attempt_and_the_next_datums(lab: SmallLab) -> None:
    hungry = 'python3 -c "import time; x = bytearray(1400 << 20); time.sleep(1)"; cat "$FILE" > "$OUT/$NAME"'
    lab.apply(_pipeline({"memory": "auto"}, f"set -e; {hungry}"))
    lab.put("texts", removes=("/b.txt", "/c.txt", "/d.txt"))
    number = lab.run("learn")
    assert lab.row(number).state == "COMPLETE"
    with lab.catalogue.read() as connection:
        rows = connection.execute(select(attempt.c.cause, attempt.c.asked).order_by(attempt.c.fence)).all()
    assert [(row.cause, row.asked["memory"]) for row in rows] == [("oom", FIRST_MEMORY), (None, 2 * FIRST_MEMORY)]
    lab.add("texts", {"/z.txt": "some text " * 20 + "z"})
    again = lab.run("learn")
    assert [row.attempts for row in lab.tasks(again) if not row.reused] == [0]
