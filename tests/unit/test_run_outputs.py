"""Outputs of a run as plain files: all of them or none, and never over what is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.engine.control import find_run
from aliquot.engine.datums import File
from aliquot.lab import Lab, open_lab
from aliquot.lab.outputs import output_bytes, outputs, write_outputs
from aliquot.lab.runs import attempts, tried_tasks
from aliquot.model.blob import Location
from aliquot.model.digest import digest_bytes
from aliquot.model.errors import Conflict, Damaged
from small_lab import SmallLab

UPPER = {
    "pipeline": "upper",
    "inputs": {"files": {"dataset": "files"}},
    "steps": {
        "one": {
            "inputs": {"file": {"from": "files", "glob": "/*"}},
            "command": 'echo read "$FILE"; mkdir "$OUT/sub"; tr a-z A-Z < "$FILE" > "$OUT/sub/$(basename "$FILE")"',
        },
    },
    "outputs": {"loud": {"from": "one"}},
}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "aliquot.yaml").write_text("lab: x\n")
    with open_lab(folder) as opened:
        yield opened


def _run(lab: Lab) -> int:
    small = SmallLab(lab.catalogue, lab.store, lab.folder)
    small.apply(UPPER)
    small.add("files", {"/a": "abc", "/b": "def"})
    number = small.run("upper")
    small.close()
    return number


def test_outputs_are_written_in_a_folder_each(lab: Lab, tmp_path: Path) -> None:
    number = _run(lab)
    with lab.catalogue.read() as connection:
        found = outputs(connection, find_run(connection, number))
        said = [each.stdout for row in tried_tasks(connection, number) for each in attempts(connection, row)]
    assert [file.path for file in found["loud"]] == ["/sub/a", "/sub/b"]
    assert write_outputs(lab, found, tmp_path / "new" / "out") == 2
    assert (tmp_path / "new" / "out" / "loud" / "sub" / "a").read_text() == "ABC"
    assert [output_bytes(lab, digest).startswith(b"read /") for digest in said] == [True, True]
    assert output_bytes(lab, None) == b""


def test_what_is_there_stays(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(Conflict):
        write_outputs(lab, {}, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_damaged_bytes_are_not_handed_out(lab: Lab, tmp_path: Path) -> None:
    large = b"x" * 300_000
    location = lab.store.put_bytes(large)
    with lab.catalogue.write() as connection:
        from aliquot.datasets import places

        places.record(connection, [Location(location.digest, location.size)])
    stored = next(path for path in (lab.folder / ".aliquot" / "store").rglob("*") if path.is_file())
    stored.chmod(0o600)
    stored.write_bytes(b"y" * 300_000)
    with pytest.raises(Damaged):
        write_outputs(lab, {"o": [File("/f", digest_bytes(large), len(large))]}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["lab"]
