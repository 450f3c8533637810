"""A catalogue on a server that is gone for a while, and supervisors that stop in the middle of a transaction."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from sqlalchemy import func, select, text

from aliquot.blobs import Store
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import attempt, output, result, version
from aliquot.engine import claim
from aliquot.executors.process import end_leftovers
from aliquot.model.state import State
from postgresql import USER
from run_rows import make_run
from small_lab import SmallLab
from tcp_proxy import Proxy

TASKS = 90
PROGRAM = Path(__file__).parent.parent / "supervisor_program.py"
STOPS_IN_ITS_TURN = """
import sys
from sqlalchemy import text
from aliquot.db import open_catalogue
from aliquot.engine.turns import Turn, take_turn
from aliquot.model.errors import Unavailable
catalogue = open_catalogue(sys.argv[1])
try:
    with catalogue.write() as connection:
        take_turn(connection, Turn.CLAIM)
        print("mine", flush=True)
        sys.stdin.readline()
        connection.execute(text("SELECT 1"))
except Unavailable as error:
    print(error.code, flush=True)
else:
    print("went on", flush=True)
"""

on_postgresql = pytest.mark.parametrize("catalogue", ["postgresql"], indirect=True)


def url_of(catalogue: Catalogue) -> str:
    return catalogue.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def proxy(postgresql_database: str) -> Iterator[Proxy]:
    made = Proxy(Path(unquote(postgresql_database.partition("?host=")[2])) / ".s.PGSQL.5432")
    yield made
    made.close()


@pytest.mark.timeout(180)
@on_postgresql
def test_three_supervisors_go_on_by_themselves_when_the_catalogue_comes_back(
    catalogue: Catalogue, store: Store, tmp_path: Path, proxy: Proxy
) -> None:
    lab = SmallLab(catalogue, store, tmp_path)
    lab.add("texts", {f"/{number:03d}": f"text {number}" for number in range(TASKS)})
    journal = tmp_path / "journal"
    journal.touch()
    lab.apply(
        {
            "pipeline": "copy",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "copy": {
                    "inputs": {"file": {"from": "texts", "glob": "/{name}"}},
                    "command": f'echo "$NAME $ALIQUOT_OWNER" >> {journal}; sleep 0.1; cp "$FILE" "$OUT"/',
                }
            },
            "outputs": {"copies": {"from": "copy", "publish": "copies"}},
        }
    )
    number = lab.start("copy")
    url = f"postgresql+psycopg://{USER}@127.0.0.1:{proxy.port}/{catalogue.engine.url.database}"
    works = [tmp_path / f"work-{place}" for place in range(3)]
    programs = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), url, store.url, str(work)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for work in works
    ]  # fmt: skip
    try:
        for program in programs:
            assert program.stdout
            assert program.stdout.readline() == "ready\n"
        for program in programs:
            assert program.stdin
            program.stdin.write("go\n")
            program.stdin.flush()
        for part, (part_from, seconds) in enumerate([(proxy.cut, 2.0), (proxy.hang, 1.0), (proxy.cut, 0.1)], 1):
            _until_lines(journal, part * TASKS // 5)
            part_from()
            time.sleep(seconds)  # for so long it is gone
            proxy.open()
        told = [program.communicate(timeout=120) for program in programs]
    finally:
        for program in programs:
            program.kill()
            program.wait()
        for work in works:
            end_leftovers(work)
        lab.close()
    assert [out.strip() for out, _ in told] == ["done"] * 3
    assert any("cannot be used" in error for _, error in told), "nobody has noticed"
    row = lab.row(number)
    assert (row.state, row.parked) == (State.COMPLETE, 0)
    assert lab.content("copies") == lab.content("texts")
    with catalogue.read() as connection:
        assert connection.execute(select(func.count()).where(version.c.run_id == number)).scalar_one() == 1
        for table in (result, output):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == TASKS
        complete = select(func.count()).where(attempt.c.state == State.COMPLETE)
        assert connection.execute(complete).scalar_one() == TASKS
    started = Counter(line.split()[0] for line in journal.read_text().splitlines())
    fences = {f"{each.ordinal - 1:03d}": each.fence for each in lab.tasks(number)}
    assert started.keys() == fences.keys()
    assert all(times <= fences[name] for name, times in started.items())


def _until_lines(journal: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(journal.read_text().splitlines()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@on_postgresql
def test_a_supervisor_that_stops_in_its_turn_holds_nobody_up_for_longer_than_a_lease(catalogue: Catalogue) -> None:
    make_run(catalogue, ["a", "b"])
    stopped = subprocess.Popen(
        [sys.executable, "-c", STOPS_IN_ITS_TURN, url_of(catalogue)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "ALIQUOT_LEASE": "1"},
    )  # fmt: skip
    other = open_catalogue(url_of(catalogue))
    try:
        assert stopped.stdout
        assert stopped.stdout.readline() == "mine\n"
        stopped.send_signal(signal.SIGSTOP)
        with other.write() as connection:
            # Else it would wait for ever.
            connection.execute(text("SET LOCAL statement_timeout = '20s'"))
            assert len(claim.claim_tasks(connection, "another", 10)) == 2
        stopped.send_signal(signal.SIGCONT)
        told, _ = stopped.communicate("go on\n", timeout=30)
        assert told.strip() == "catalogue-unavailable"
    finally:
        stopped.kill()
        stopped.communicate()
        other.close()
