"""Two runs side by side, and files made again, through the command line."""

import pytest
from tests.lab_folder import LabFolder

LAB = """\
lab: reasons
sources: {}
"""

CHAIN = """\
pipeline: chain
parameters:
  word: {type: string, default: one}
inputs:
  raw: {dataset: raw}
steps:
  double:
    inputs: {line: {from: raw, glob: "/*"}}
    parameters: []
    bundle: [scripts/double.sh]
    command: [sh, $BUNDLE/scripts/double.sh, $LINE, $OUT]
  sign:
    inputs: {line: {from: double, glob: "/*"}}
    command: cat "$LINE" > "$OUT/$(basename "$LINE")"; echo "$WORD" >> "$OUT/$(basename "$LINE")"
outputs:
  signed: {from: sign, publish: signed}
"""

LAST = """\
pipeline: last
inputs:
  signed: {dataset: signed}
steps:
  count:
    inputs: {all: {from: signed, glob: "/"}}
    command: cat "$ALL"/* | wc -l > "$OUT/lines.txt"; SOMETHING
outputs:
  counted: {from: count, publish: counted}
"""


@pytest.fixture
def lab(tmp_path):
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", LAB)
    lab.write("pipelines/chain.yaml", CHAIN)
    lab.write("scripts/double.sh", 'cat "$1" "$1" > "$2/$(basename "$1")"\n')
    lab.run("apply")
    for name in ("a", "b"):
        lab.write(f"files/{name}.txt", f"{name}\n")
    lab.run("ingest", "raw", "files")
    lab.run("run", "start", "chain", "--publish", "--wait")
    return lab


def test_equal_runs_compare_as_equal(lab):
    lab.run("run", "start", "chain", "--wait")
    told = lab.json("run", "compare", "1", "2")
    assert told["equal"]
    assert [(each["name"], each["same"]) for each in told["datums"]] == [("double", 2), ("sign", 2)]


def test_a_parameter_an_input_and_a_script_that_differ_are_told_with_what_they_changed(lab):
    lab.write("files/b.txt", "B\n")
    lab.write("files/c.txt", "c\n")
    lab.run("ingest", "raw", "files")
    lab.write("scripts/double.sh", 'cat "$1" "$1" > "$2/$(basename "$1")"  # twice\n')
    lab.run("apply")
    lab.run("run", "start", "chain", "-p", "word=two", "--wait")
    told = lab.json("run", "compare", "1", "2")
    assert not told["equal"]
    assert told["parameters"] == [{"part": "word", "before": "one", "after": "two"}]
    assert told["inputs"] == [{"part": "raw", "before": "raw@1", "after": "raw@2"}]
    assert [each["part"] for each in told["code"]] == ["scripts/double.sh"]
    assert "+cat" in told["diffs"]["scripts/double.sh"]
    assert "# twice" in told["diffs"]["scripts/double.sh"]
    (signed,) = told["results"]
    assert (signed["changed"], signed["only_after"]) == (["/a.txt", "/b.txt"], ["/c.txt"])
    words = lab.run("run", "compare", "1", "2").stdout
    assert "# twice" in words
    assert "raw@2" in words


def test_a_changed_definition_is_shown_as_a_diff(lab):
    lab.write("pipelines/chain.yaml", CHAIN.replace('echo "$WORD"', 'echo "$WORD!"'))
    lab.run("apply")
    lab.run("run", "start", "chain", "--wait")
    diff = lab.json("run", "compare", "1", "2")["diffs"]["pipeline"]
    assert [each for each in diff.splitlines() if each.startswith("+") and "$WORD!" in each]


def test_a_chain_is_made_again_and_is_identical(lab):
    before = lab.json("dataset", "log", "signed")
    told = lab.json("reproduce", "signed@1:/a.txt")
    assert told["identical"]
    assert [each["task"].rpartition("/")[0] for each in told["tasks"]] == ["1/double", "1/sign"]
    assert not list((lab.folder / ".aliquot" / "reproduce").iterdir())
    assert lab.json("dataset", "log", "signed") == before
    assert len(lab.json("run", "list")) == 1


def test_a_chain_goes_back_through_the_versions_of_other_pipelines(lab):
    lab.write("pipelines/last.yaml", LAST.replace("; SOMETHING", ""))
    lab.run("apply")
    lab.run("run", "start", "last", "--publish", "--wait")
    told = lab.json("reproduce", "counted")
    assert told["identical"]
    assert len(told["tasks"]) == 5
    assert told["tasks"][-1]["task"] == "2/count/1"


def test_a_command_that_does_not_repeat_itself_is_found_with_what_differs(lab):
    lab.write("pipelines/last.yaml", LAST.replace("SOMETHING", 'date +%s%N >> "$OUT/lines.txt"'))
    lab.run("apply")
    lab.run("run", "start", "last", "--publish", "--wait")
    told = lab.json("reproduce", "counted", expect=1)
    (file,) = told["files"]
    assert (file["verdict"], file["first_byte"] >= 2) == ("different", True)
    assert file["lines"].count("\n+") == 1
    assert [each["task"] for each in told["tasks"] if not each["identical"]] == ["2/count/1"]
    assert "does not repeat itself" in lab.run("reproduce", "counted", expect=1).stdout


def test_what_cannot_be_done_again_says_so_and_so_does_what_needs_it(lab):
    lab.write("flag", "seen\n")
    flag = lab.folder / "flag"
    lab.write("pipelines/chain.yaml", CHAIN.replace('cat "$LINE" >', f'set -e; cat "{flag}" "$LINE" >'))
    lab.write("pipelines/last.yaml", LAST.replace("; SOMETHING", ""))
    lab.run("apply")
    lab.run("run", "start", "chain", "--publish", "--wait")
    lab.run("run", "start", "last", "--publish", "--wait")
    flag.unlink()
    lab.write("scripts/double.sh", "")
    told = lab.json("reproduce", "counted", expect=1)
    assert told["files"][0]["verdict"] == "not made"
    by_task = {each["task"].split("/")[1]: each for each in told["tasks"]}
    assert by_task["double"]["identical"]
    assert (by_task["sign"]["cause"], by_task["count"]["cause"]) == ("user", "refused")
    assert "No such file" in by_task["sign"]["tail"]
    assert "was not made again" in by_task["count"]["message"]


def test_what_arrived_was_not_made_and_nothing_is_nowhere(lab):
    assert "arrived as it is" in lab.run("reproduce", "raw@1:/a.txt", expect=2).stderr
    assert "no file or folder" in lab.run("reproduce", "signed@1:/nothing", expect=3).stderr


def test_a_python_step_is_made_again_in_the_same_environment(lab):
    lab.write(
        "steps/upper.py",
        "from pathlib import Path\n\nimport aliquot\n\n\n@aliquot.step\ndef upper(line: Path, out: Path) -> None:\n"
        "    (out / line.name).write_text(line.read_text().upper())\n",
    )
    lab.write(
        "pipelines/upper.yaml",
        "pipeline: upper\ninputs: {raw: {dataset: raw}}\nsteps:\n  upper:\n"
        "    inputs: {line: {from: raw, glob: '/*'}}\n    bundle: [steps/upper.py]\n    python: steps.upper:upper\n"
        "    resources: auto\n"
        "outputs: {upper: {from: upper, publish: upper}}\n",
    )
    lab.run("apply")
    lab.run("run", "start", "upper", "--publish", "--wait")
    told = lab.json("reproduce", "upper")
    assert told["identical"]
    assert [each["differed"] for each in told["tasks"]] == [[], []]
