"""A folder whose files are adopted: run on, exported, accounted for, and missed when they are gone."""

from pathlib import Path

import pytest

from lab_folder import LabFolder

_LAB = """\
lab: archive
sources:
  shelf: {watch: ./shelf, adopt: true, settled: {quiet: 0s}, accept: [{type: reads, into: reads}]}
"""
_PIPELINE = """\
pipeline: count
inputs: {reads: {dataset: reads}}
steps:
  count:
    inputs: {file: {from: reads, glob: "/*"}}
    command: wc -c < "$FILE" > "$OUT/$(basename "$FILE").size"
outputs: {sizes: {from: count, publish: sizes}}
trigger: {new_version: [reads]}
"""
_TYPE = """\
type: %s
recognise: {name: "%s"}
format: archive
unpack: true
"""


@pytest.fixture
def lab(tmp_path: Path) -> LabFolder:
    lab = LabFolder(tmp_path / "lab")
    lab.write("aliquot.yaml", _LAB)
    lab.write("types/reads.yaml", 'type: reads\nrecognise: {name: "*"}\n')
    lab.write("pipelines/count.yaml", _PIPELINE)
    return lab


def test_adopted_files_are_worked_on_where_they_lie(lab: LabFolder, tmp_path: Path) -> None:
    first = lab.write("shelf/a.fq", b"A" * 500_000)
    lab.write("shelf/b.fq", b"C" * 600_000)
    lab.run("apply")
    lab.up()
    lab.run("dataset", "export", "sizes", str(tmp_path / "sizes"))
    sizes = {each.name: each.read_text().strip() for each in (tmp_path / "sizes").iterdir()}
    assert sizes == {"a.fq.size": "500000", "b.fq.size": "600000"}
    stored = sum(each.stat().st_size for each in (lab.folder / ".aliquot/store").rglob("*") if each.is_file())
    assert stored < 100_000
    used = lab.json("du")
    assert (used["store"]["adopted"], used["datasets"][0]["adopted"]) == (1_100_000, 1_100_000)
    assert lab.json("dataset", "verify")["sound"]
    first.write_bytes(b"G" * 500_000)
    found = lab.json("dataset", "verify", "reads", expect=6)["damages"]
    assert [each["references"] for each in found] == [["reads@1:/a.fq"]]
    assert "lost to the lab" in found[0]["message"]
    told = lab.run("dataset", "export", "reads@1", str(tmp_path / "reads"), expect=6)
    assert "a.fq" in told.stderr
    lab.up()
    lab.run("dataset", "export", "reads", str(tmp_path / "newest"))
    assert (tmp_path / "newest/a.fq").read_bytes() == b"G" * 500_000


def test_what_would_change_adopted_files_is_refused(lab: LabFolder) -> None:
    lab.write("types/reads.yaml", _TYPE % ("reads", "*.tar"))
    told = lab.run("apply", expect=2)
    assert "aliquot.yaml:3:" in told.stderr
    assert "sources.shelf.accept[0].type" in told.stderr.replace("\n", "")
    assert "take archives in from another source" in " ".join(told.stderr.split())
