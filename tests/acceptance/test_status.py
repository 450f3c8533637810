"""`aliquot status`: what has arrived, what is stuck, and what waits for a person."""

from pathlib import Path

from lab_folder import LabFolder

SETTINGS = """
lab: riverside
executor: {kind: process, workers: 1}
sources:
  readings:
    watch: ./inbox
    settled: {quiet: 0s}
    accept: [{type: reading, into: readings}]
  gone:
    watch: ./gone
    accept: [{type: reading, into: readings}]
"""
TYPE = """
type: reading
recognise: {name: "*.csv"}
format: table
table: {fields: [{name: well, type: string}, {name: value, type: number}]}
"""
PIPELINE = """
pipeline: refuse
inputs: {readings: {dataset: readings}}
steps:
  look: {inputs: {file: {from: readings, glob: "/*"}}, command: exit 3, retry: {attempts: 1}}
trigger: {new_version: [readings]}
"""


def test_a_glance_says_what_came_what_is_stuck_and_what_waits(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path / "lab")
    lab.write("aliquot.yaml", SETTINGS)
    lab.write("types/reading.yaml", TYPE)
    lab.write("pipelines/refuse.yaml", PIPELINE)
    lab.write("inbox/good.csv", "well,value\nA1,1\n")
    lab.write("inbox/bad.csv", "well,value\nA1,many\n")
    lab.run("apply")
    nothing = lab.run("status")
    assert nothing.stdout.startswith("0 files taken in today, 0 runs under way, 0 stuck, 0 wait for a person.")
    assert "Nothing has arrived yet" in nothing.stderr
    lab.up(expect=None)
    found = lab.json("status")
    assert [(each["source"], each["accepted"], each["quarantined"]) for each in found["arrivals"]] == [
        ("readings", 1, 1)
    ]
    assert [(each["run"], each["parked"]) for each in found["stuck"]] == [(1, 1)]
    assert [each["path"] for each in found["waiting"]] == ["/bad.csv"]
    assert [each["source"] for each in found["troubles"]] == ["gone"]
    said = lab.run("status").stdout
    assert said.startswith("1 file taken in today, 0 runs under way, 2 stuck, 1 waits for a person.")
    for words in ("Stuck", "Source gone cannot be looked at", "Waits for a person", "/bad.csv", "Arrived today"):
        assert words in said
