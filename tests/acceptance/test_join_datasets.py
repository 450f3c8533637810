"""Two datasets that are joined by a pipeline, through the real command line."""

from pathlib import Path

import pytest

from lab_folder import LabFolder

LAB = """\
lab: join
sources:
  reads: {watch: ./inbox/reads, settled: {quiet: 0s}, accept: [{type: fq, into: reads}]}
  sheets: {watch: ./inbox/sheets, settled: {quiet: 0s}, accept: [{type: csv, into: sheets}]}
"""
PIPELINE = """\
pipeline: pairs
inputs: {reads: {dataset: reads}, sheets: {dataset: sheets}}
steps:
  pair:
    inputs:
      join:
        - reads: {from: reads, glob: "/{sample}_{lane}.fq", group_by: $sample, join_on: $sample}
        - sheet: {from: sheets, glob: "/{sample}.csv", join_on: $sample, outer_join: true}
    command: |
      if [ -n "$READS" ]; then cat "$READS"/*; else echo no reads; fi > "$OUT/$SAMPLE.txt"
      cat "$SHEET" >> "$OUT/$SAMPLE.txt"
  list:
    inputs:
      union:
        - pair: {from: pair, glob: "/{name}.txt"}
        - sheet: {from: sheets, glob: "/c.csv"}
    command: [cp, $PAIR$SHEET, $OUT/$NAME.copy]
outputs: {lists: {from: list, publish: lists}}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> LabFolder:
    made = LabFolder(tmp_path_factory.mktemp("join") / "lab")
    made.write("aliquot.yaml", LAB)
    for kind in ("fq", "csv"):
        made.write(f"types/{kind}.yaml", f'type: {kind}\nformat: any\nrecognise: {{name: "*.{kind}"}}\n')
    made.write("pipelines/pairs.yaml", PIPELINE)
    made.run("apply")
    for name in ("a_1", "b_1", "b_2"):
        made.write(f"inbox/reads/{name}.fq", f"@{name}\n")
    for name in "bc":
        made.write(f"inbox/sheets/{name}.csv", f"sheet {name}\n")
    made.up()
    return made


def test_the_plan_shows_inputs_and_captures(lab: LabFolder) -> None:
    first, second, later = lab.json("pipeline", "plan", "pairs")[:3]
    assert first["datum"] == {"reads": ["/b_1.fq", "/b_2.fq"], "sheet": ["/b.csv"]}
    assert first["captures"] == second["captures"] | {"sample": "b"}
    assert second["datum"] == {"sheet": ["/c.csv"]}
    assert later["step"] == "list"
    said = lab.run("pipeline", "plan", "pairs").stdout
    assert "reads 2 files, sheet /b.csv" in said
    assert "sample=b" in said


def test_a_run_sees_partners_together_and_absent_inputs_as_empty_names(lab: LabFolder) -> None:
    lab.run("run", "start", "pairs", "--publish", "--wait")
    exported = Path(lab.folder / "exported")
    lab.run("dataset", "export", "lists@1", str(exported))
    found = {path.name: path.read_text() for path in exported.iterdir()}
    assert found == {
        "b.copy": "@b_1\n@b_2\nsheet b\n",
        "c.copy": "no reads\nsheet c\n",
        ".copy": "sheet c\n",
    }
    assert {each["action"] for each in lab.json("pipeline", "plan", "pairs")} == {"skip"}


def test_a_mistake_deep_in_the_inputs_is_told_at_its_place(lab: LabFolder) -> None:
    deep = "{cross: [{sheet: {from: sheets}}, {union: [{reads: {from: read}}]}]}"
    lab.write("wide.yaml", PIPELINE.partition("steps:")[0] + f"steps:\n  a:\n    inputs: {deep}\n    command: ls\n")
    told = lab.run("pipeline", "plan", "./wide.yaml", expect=2)
    place = "wide.yaml:5:71: steps.a.inputs.cross[1].union[0].reads.from: there is no input or step 'read'"
    assert place in told.stderr
