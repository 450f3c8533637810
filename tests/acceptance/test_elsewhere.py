"""The same lab with its parts elsewhere: catalogue and hub on a server, steps in containers."""

import shutil
from pathlib import Path

import pytest

from executor_place import import_image
from lab_folder import LabFolder
from postgresql import Cluster
from services import require_service

TYPE = """
type: numbers
recognise: {name: "*.csv", columns: [name, n]}
format: table
table:
  fields:
    - {name: name, type: string, constraints: {required: true}}
    - {name: n, type: integer, constraints: {minimum: 0}}
"""
SOURCES = """
sources:
  drop:
    watch: ./inbox
    settled: {quiet: 100ms}
    accept: [{type: numbers, into: numbers}]
"""
PIPELINE = """
pipeline: double
inputs: {numbers: {dataset: numbers}}
parameters: {factor: {type: integer, default: 2}}
steps:
  double:
    IMAGE
    inputs: {file: {from: numbers, glob: "/{name}.csv"}}
    command: |
      { read -r header; echo "$header"
        while IFS=, read -r name n; do echo "$name,$((n * FACTOR))"; done; } < "$FILE" > "$OUT/$NAME.csv"
outputs: {doubles: {from: double, publish: doubles}}
tables:
  doubles: {from: double, mode: upsert, key: [name], type: numbers}
trigger: {new_version: [numbers]}
"""


def lab_with(folder: Path, settings: str, image: str = "") -> LabFolder:
    lab = LabFolder(folder)
    lab.write("aliquot.yaml", f"lab: elsewhere\n{settings}{SOURCES}")
    lab.write("types/numbers.yaml", TYPE)
    lab.write("pipelines/double.yaml", PIPELINE.replace("IMAGE", f"image: {image}" if image else "title: Double"))
    lab.write("inbox/a.csv", "name,n\na,1\nb,2\n")
    lab.run("apply")
    return lab


def check_loop(lab: LabFolder) -> None:
    """Go once around: arrival, run, load, one more file, lineage, verify."""
    assert [run["state"] for run in lab.up()["runs"]] == ["COMPLETE"]
    lab.write("inbox/c.csv", "name,n\nc,3\n")
    summary = lab.up()
    assert [(run["ran"], run["skipped"]) for run in summary["runs"]] == [(1, 1)]
    rows = lab.json("hub", "query", "SELECT name, n FROM doubles ORDER BY name")["rows"]
    assert [(row["name"], row["n"]) for row in rows] == [("a", 2), ("b", 4), ("c", 6)]
    tree = lab.run("lineage", "doubles:/a.csv", "--back", "--json").stdout
    assert "/a.csv" in tree
    assert "drop" in tree
    lab.run("dataset", "verify")


def test_a_lab_on_postgresql(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    catalogue, hub = (postgresql_cluster.url(postgresql_cluster.create()) for _ in range(2))
    lab = lab_with(tmp_path, f"catalogue: {catalogue}\nhub: {hub}\n")
    check_loop(lab)
    both = [lab.start("up", "--until-idle") for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0]
    assert not (tmp_path / ".aliquot" / "catalogue.db").exists()


@pytest.mark.timeout(300)
def test_steps_in_containers_record_the_digest_behind_a_tag(tmp_path: Path) -> None:
    require_service(
        shutil.which("podman") is not None and shutil.which("busybox") is not None, "podman, busybox-static"
    )
    image = "localhost/aliquot-test-elsewhere:1"
    import_image(image)
    lab = lab_with(tmp_path, "executor: container\n", image)
    check_loop(lab)
    tree = lab.run("lineage", "doubles:/a.csv", "--back", "--json").stdout
    assert "sha256:" in tree
    rebuilt = tmp_path / "rebuilt.db"
    lab.run("admin", "rebuild", "--into", f"sqlite:///{rebuilt}")
    assert rebuilt.exists()
