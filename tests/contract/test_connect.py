"""A lab from Python, in its folder and on its server: the same classes, values and errors."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aliquot
from aliquot.daemon import Daemon
from aliquot.lab import open_lab
from aliquot.model.errors import Conflict, Invalid, Missing, Unavailable
from aliquot.model.state import State
from far_lab import make_lab, served


@pytest.fixture(params=["folder", "server"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    folder = make_lab(tmp_path / "lab").folder
    if request.param == "folder":
        with aliquot.Lab(folder) as here:
            yield here
        return
    with served(folder) as far, open_lab(folder) as parts, aliquot.connect(far.url, far.token) as there:
        daemon = Daemon(parts)
        working = threading.Thread(target=daemon.run)
        working.start()
        yield there
        daemon.stop()
        working.join()


def _given(folder: Path) -> Path:
    (folder / "given").mkdir()
    for name, rows in (("one", "A1,1\nA2,2\n"), ("two", "A1,3\n"), ("three", "broken,4\n"), ("four", "A1,many\n")):
        (folder / f"given/{name}.csv").write_text(f"well,value\n{rows}")
    return folder / "given"


def test_from_files_to_results(lab: Any, tmp_path: Path) -> None:
    plates = lab.dataset("plates")
    taken = plates.ingest(_given(tmp_path))
    assert (taken.added, [each.path for each in taken.quarantined]) == (3, ["/four.csv"])
    assert [each.code for each in taken.quarantined[0].findings] == ["type-error"]
    assert [(each.number, each.files, each.added) for each in plates.versions()] == [(1, 3, 3)]
    assert (plates.version().number, plates.version(1).files) == (1, 3)
    assert list(plates.files()) == ["/one.csv", "/three.csv", "/two.csv"]
    assert list(plates.files(1, "/two.csv")) == ["/two.csv"]
    assert [each.name for each in lab.datasets()] == ["plates"]
    assert [each.name for each in lab.pipelines()] == ["totals"]
    assert lab.pipeline("totals").definition.title == "Sum each plate"

    run = lab.pipeline("totals").run({"factor": 2}, {"plates": "plates@1"}, publish=True)
    assert run.wait(120) is State.COMPLETE
    assert run.ended
    sums = run.outputs()["sums"]
    assert list(sums) == ["/one.csv", "/two.csv"]
    assert sums["one.csv"].read() == sums["/one.csv"].open().read() == b"total\n6\n"
    path = sums["two.csv"].path()
    assert (path.name, path.read_bytes()) == ("two.csv", b"total\n6\n")
    assert path == sums["two.csv"].path()
    assert [(each.task, each.state) for each in run.tasks()] == [
        ("sum/1", "COMPLETE"), ("sum/2", "EXECUTOR_ERROR"), ("sum/3", "COMPLETE"),
    ]  # fmt: skip
    (failed,) = run.failed()
    assert (failed.datum, failed.cause) == ("/three.csv", "user")
    assert "cannot sum it" in failed.tail
    assert lab.run(run.number).line.parked == 1
    assert lab.dataset("sums").files()["one.csv"].digest == sums["one.csv"].digest


def test_errors_are_of_the_five_families(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="factor"):
        lab.pipeline("totals").run({"factor": 0})
    with pytest.raises(Missing, match="totals"):
        lab.pipeline("total")
    nothing = lab.dataset("nothing")
    for wrong in (lambda: lab.run(99), nothing.files, nothing.versions):
        with pytest.raises(Missing, match=r"99|nothing"):
            wrong()
    with pytest.raises(Missing):
        lab.dataset("plates").ingest("no-such-file")
    with pytest.raises(Invalid):
        lab.dataset("No Name")
    (tmp_path / "slow.csv").write_text("well,value\nslow,1\n")
    lab.dataset("plates").ingest(tmp_path / "slow.csv")
    with pytest.raises(Missing, match=r"there is: /slow\.csv"):
        lab.dataset("plates").files()["fast.csv"]
    run = lab.pipeline("totals").run()
    with pytest.raises(Unavailable, match="not ended"):
        run.wait(0)
    run.cancel()
    assert run.wait(120) is State.CANCELED
    with pytest.raises(Conflict):
        run.cancel()
