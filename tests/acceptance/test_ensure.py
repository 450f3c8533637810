"""Rules for what steps give, through the command line."""

from typing import Any

import pytest

from lab_folder import LabFolder

LAB = """\
lab: rules
store: ./.aliquot/store
catalogue: sqlite:///.aliquot/catalogue.db
hub: sqlite:///hub.db
executor: process
sources:
  inbox:
    watch: ./inbox
    settled: {quiet: 0s}
    accept: [{type: text, into: texts}]
"""
COUNTS = """\
type: counts
recognise: {name: "*.counts.csv"}
format: table
table: {fields: [{name: word, type: string}, {name: times, type: integer, constraints: {minimum: MINIMUM}}]}
"""
PIPELINE = """\
pipeline: p
inputs: {texts: {dataset: texts}}
steps:
  count:
    inputs: {text: {from: texts, glob: "/{name}.txt"}}
    command: 'awk "BEGIN {print \\"word,times\\"} {print \\$1 \\",\\" \\$2}" "$TEXT" > "$OUT/$NAME.csv"'
    ensure: [{glob: "/*.csv", count: 1, type: counts}]
  checked:
    inputs: {table: {from: count, glob: "/*"}}
    ensure: [{size: {max: 30}}]
  gather:
    inputs: {tables: {from: checked, glob: /}}
    command: 'ls "$TABLES" > "$OUT/list"'
outputs: {checked: {from: checked}, list: {from: gather}}
"""


@pytest.fixture
def lab(tmp_path: Any) -> LabFolder:
    made = LabFolder(tmp_path)
    made.write("aliquot.yaml", LAB)
    made.write("types/text.yaml", "type: text\nrecognise: {name: '*.txt'}\n")
    made.write("types/counts.yaml", COUNTS.replace("MINIMUM", "0"))
    made.write("pipelines/p.yaml", PIPELINE)
    made.run("apply")
    made.write("inbox/good.txt", "ache 3\n")
    made.write("inbox/bad.txt", "fever 2\nrash none\nache some\n")
    made.write("inbox/long.txt", "fever 1\nrash 2\nache 3\npain 4\n")
    made.up()
    return made


def start(lab: LabFolder) -> dict[str, Any]:
    number = lab.json("run", "start", "p", "--wait", expect=None)["run"]
    shown = lab.json("run", "show", str(number))
    shown["by_step"] = {each["step"]: each for each in shown["steps"]}
    return shown


def listed(lab: LabFolder, number: int) -> list[str]:
    return [each["path"] for each in lab.json("run", "outputs", str(number))["outputs"]["checked"]]


def test_files_that_break_a_rule_are_parked_with_the_finding_and_nobody_sees_them(lab: LabFolder) -> None:
    first = start(lab)
    assert first["parked"] == 2
    by_step = {each["task"].split("/")[0]: each for each in first["parked_tasks"]}
    counted, checked = by_step["count"], by_step["checked"]
    assert (counted["cause"], checked["cause"]) == ("user", "user")
    assert 'out/bad.csv: Row 3: times is "none", but should be a whole number.' in counted["message"]
    assert "(the first of 2 findings)" in counted["message"]
    assert "in/table/long.csv: The file has 40 bytes; it may have 30 at most." in checked["message"]
    text = " ".join(lab.run("run", "show", str(first["run"])).stdout.split())
    assert 'times is "none", but should be a whole number.' in text
    logs = lab.run("run", "logs", str(first["run"]), counted["task"]).stdout
    assert 'ensure: out/bad.csv: Row 4: times is "some"' in logs
    assert first["by_step"]["checked"]["datums"] == 2
    assert listed(lab, first["run"]) == ["/good.csv"]
    lab.run("run", "outputs", str(first["run"]), "--to", "got")
    assert (lab.folder / "got/list/list").read_text() == "good.csv\n"

    lab.write("pipelines/p.yaml", PIPELINE.replace('\\$2}"', '\\$2 + 0}"').replace("max: 30", "max: 60"))
    lab.run("apply")
    second = start(lab)
    assert second["parked"] == 0
    assert listed(lab, second["run"]) == ["/bad.csv", "/good.csv", "/long.csv"]


def test_a_changed_rule_does_not_accept_an_old_result(lab: LabFolder) -> None:
    start(lab)
    again = start(lab)
    assert again["by_step"]["count"]["skipped"] == 2
    lab.write("types/counts.yaml", COUNTS.replace("MINIMUM", "2"))
    lab.run("apply")
    plan = [each for each in lab.json("pipeline", "plan", "p") if each["step"] == "count"]
    assert {each["action"] for each in plan} == {"run"}
    assert any("ensure changed" in each["reason"] for each in plan)
    stricter = start(lab)
    assert stricter["by_step"]["count"]["ran"] == 1
    assert listed(lab, stricter["run"]) == ["/good.csv"]
    reasons = [lab.json("run", "why", str(stricter["run"]), f"count/{number}") for number in (1, 2, 3)]
    assert ["ensure"] in [[each["part"] for each in reason["differences"]] for reason in reasons]
    lab.write("pipelines/p.yaml", PIPELINE.replace("type: counts", "type: count"))
    refused = lab.run("apply", expect=2).stderr
    assert "there is no file type 'count'; did you mean 'counts'?" in refused
