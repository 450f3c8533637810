"""A lab from Python, as a notebook works with it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aliquot
from aliquot.model.errors import Invalid, Missing, Unavailable
from aliquot.model.state import State
from lab_folder import LabFolder

PIPELINE = """
pipeline: double
parameters: {factor: {type: integer, default: 2, minimum: 1}}
inputs: {numbers: {dataset: numbers}}
steps:
  double:
    inputs: {file: {from: numbers, glob: "/{name}.csv"}}
    python: steps.double:double
outputs: {doubled: {from: double, publish: doubled}}
"""
MODULE = """
import aliquot

@aliquot.step
def double(file: bytes, name: str, factor: int) -> aliquot.Files:
    head, *rows = file.decode().split()
    if "x" in rows: raise ValueError("no number")
    return aliquot.Files({f"{name}.csv": "\\n".join([head, *(str(int(each) * factor) for each in rows)]) + "\\n"})
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[aliquot.Lab]:
    folder = LabFolder(tmp_path / "lab")
    folder.write("aliquot.yaml", "lab: here\nexecutor: {kind: process, workers: 2}\n")
    folder.write("pipelines/double.yaml", PIPELINE)
    folder.write("steps/double.py", MODULE)
    with aliquot.Lab(folder.folder) as lab:
        lab.apply()
        yield lab


def test_a_notebook_from_its_first_line_to_its_last(lab: aliquot.Lab, tmp_path: Path) -> None:
    numbers = lab.dataset("numbers")
    (tmp_path / "b.csv").write_text("n\n3\n")
    assert numbers.commit({"a.csv": b"n\n1\n2\n", "/b.csv": tmp_path / "b.csv"}, because="a test").number == 1
    run = lab.pipeline("double").run({"factor": 3}, publish=True)
    assert run.state is State.QUEUED
    assert run.wait(60) is State.COMPLETE
    files = run.outputs()["doubled"]
    assert list(files) == ["/a.csv", "/b.csv"]
    assert files["a.csv"].read() == files["/a.csv"].open().read() == b"n\n3\n6\n"
    path = files["a.csv"].path()
    assert path.name == "a.csv"
    path.write_text("spoiled")
    assert files["a.csv"].read() == b"n\n3\n6\n"
    assert files["b.csv"].table().to_dicts() == [{"n": 9}]
    assert lab.dataset("doubled").files().table()["n"].to_list() == [3, 6, 9]
    lab.dataset("mixed").commit({"a.csv": b"n\n1\n", "b.csv": b"m\n2\n"}, because="a test")
    with pytest.raises(Invalid, match=r"/b.csv has the columns m; /a.csv has n: they are no one table"):
        lab.dataset("mixed").files().table()
    assert [each.state for each in run.tasks()] == ["COMPLETE", "COMPLETE"]
    assert run.failed() == []
    again = lab.pipeline("double").run({"factor": 3}, {"numbers": "numbers@1"})
    assert again.wait() is State.COMPLETE
    assert all(each.reused for each in again.tasks())
    assert lab.run(run.number).line.parked == 0


def test_what_fails_says_why(lab: aliquot.Lab) -> None:
    lab.dataset("numbers").commit({"a.csv": b"n\nx\n", "b.csv": b"n\n1\n"})
    run = lab.pipeline("double").run()
    assert run.wait() is State.COMPLETE
    (failed,) = run.failed()
    assert (failed.cause, failed.datum) == ("user", "/a.csv")
    assert "ValueError: no number" in failed.message
    assert failed.tail.endswith("ValueError: no number")


def test_errors_are_of_the_five_families(lab: aliquot.Lab) -> None:
    with pytest.raises(Invalid, match="factor"):
        lab.pipeline("double").run({"factor": 0})
    with pytest.raises(Missing, match="double"):
        lab.pipeline("triple")
    with pytest.raises(Missing):
        lab.run(99)
    with pytest.raises(Missing):
        lab.dataset("nothing").files()
    with pytest.raises(Missing):
        lab.dataset("numbers").ingest("no-such-file")
    lab.dataset("numbers").commit({"a.csv": b"n\n1\n"})
    run = lab.pipeline("double").run()
    with pytest.raises(Unavailable, match="not ended"):
        run.wait(0)
    run.cancel()
    assert run.wait(60) is State.CANCELED


def test_who_else_works_on_a_run_does_it(lab: aliquot.Lab) -> None:
    folder = LabFolder(lab.folder)
    lab.dataset("numbers").commit({"a.csv": b"n\n1\n"})
    up = folder.start("up")
    try:
        assert lab.pipeline("double").run().wait(60) is State.COMPLETE
    finally:
        up.terminate()
        up.wait()


def test_ingest_checks_as_the_command_does(lab: aliquot.Lab, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given/a.csv").write_text("n\n1\n")
    numbers = lab.dataset("numbers")
    assert numbers.ingest(tmp_path / "given").added == 1
    assert [each.number for each in numbers.versions()] == [1]
    assert numbers.version().files == 1
    assert [each.name for each in lab.datasets()] == ["numbers"]
    assert "/a.csv" in numbers.files(1)
    with pytest.raises(Missing, match=r"there is: /a\.csv"):
        numbers.files()["b.csv"]


def test_importing_aliquot_loads_nothing_else() -> None:
    code = "import sys, aliquot; print(len([m for m in sys.modules if m.startswith(('aliquot.', 'sqlalchemy'))]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
    with pytest.raises(AttributeError):
        aliquot.no_such_thing  # noqa: B018
