"""Graphs that are decided while they run, through the command line: fan-out, gather, branches, single steps."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab_folder import LabFolder

LAB = """\
lab: graph
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
TYPE = "type: text\nrecognise: {name: '*.txt'}\n"


@pytest.fixture
def lab(tmp_path: Path) -> LabFolder:
    made = LabFolder(tmp_path)
    made.write("aliquot.yaml", LAB)
    made.write("types/text.yaml", TYPE)
    made.run("apply")
    return made


def run(lab: LabFolder, steps: str, expect: int = 0, *words: str) -> dict[str, Any]:
    """Apply a pipeline of these steps and run it; gives what `run show` tells, and the outputs by step."""
    lab.write("pipelines/p.yaml", f"pipeline: p\nparameters: {{deep: {{type: boolean, default: false}}}}\n"
              f"inputs: {{texts: {{dataset: texts}}}}\nsteps:\n{steps}")  # fmt: skip
    lab.run("apply")
    number = lab.json("run", "start", "p", "--wait", *words, expect=expect)["run"]
    shown = lab.json("run", "show", str(number))
    shown["by_step"] = {each["step"]: each for each in shown["steps"]}
    return shown


def outputs(lab: LabFolder, number: int) -> dict[str, list[str]]:
    found = lab.json("run", "outputs", str(number))["outputs"]
    return {name: [each["path"] for each in files] for name, files in found.items()}


def test_a_step_decides_at_run_time_how_many_tasks_the_next_has(lab: LabFolder) -> None:
    lab.write("inbox/a.txt", "1\n2\n3\n")
    lab.write("inbox/b.txt", "4\n5\n")
    lab.up()
    shown = run(
        lab,
        """\
  split:
    inputs: {text: {from: texts, glob: "/{name}.txt"}}
    command: 'mkdir "$OUT/$NAME"; split -l 1 "$TEXT" "$OUT/$NAME/part-"'
  work:
    inputs: {part: {from: split, glob: "/{name}/{part_name}"}}
    command: 'mkdir "$OUT/$NAME"; cat "$PART" > "$OUT/$NAME/$PART_NAME"'
  gather:
    inputs: {parts: {from: work, glob: "/{name}/*", group_by: $name}}
    command: 'cat "$PARTS"/$NAME/* > "$OUT/$NAME.txt"'
outputs: {whole: {from: gather}}
""",
    )
    assert {name: each["datums"] for name, each in shown["by_step"].items()} == {"split": 2, "work": 5, "gather": 2}
    lab.run("run", "outputs", str(shown["run"]), "--to", "got")
    assert (lab.folder / "got/whole/a.txt").read_text() == "1\n2\n3\n"
    assert (lab.folder / "got/whole/b.txt").read_text() == "4\n5\n"


BRANCH = """\
  count:
    inputs: {text: {from: texts, glob: "/{name}.txt"}}
    command: 'n=$(wc -l < "$TEXT"); echo "{\\"n\\": $n}" > "$OUT/exports.json"; cp "$TEXT" "$OUT/$NAME"'
    exports: {lines: n}
  long:
    inputs: {text: {from: count, glob: "/*"}}
    when: lines > `1`
    command: 'cp "$TEXT" "$OUT/"'
  short:
    inputs: {text: {from: count, glob: "/*"}}
    when: lines <= `1`
    command: 'cp "$TEXT" "$OUT/"'
  deep:
    inputs: {texts_of_all: {from: long, glob: /}}
    when: deep
    command: 'echo deep > "$OUT/deep"'
outputs: {long: {from: long}, short: {from: short}, deep: {from: deep}}
"""


def test_a_branch_takes_the_datums_that_its_condition_lets_in(lab: LabFolder) -> None:
    lab.write("inbox/a.txt", "1\n2\n3\n")
    lab.write("inbox/b.txt", "4\n")
    lab.write("inbox/c.txt", "5\n6\n")
    lab.up()
    shown = run(lab, BRANCH)
    assert outputs(lab, shown["run"]) == {"long": ["/a", "/c"], "short": ["/b"], "deep": []}
    assert {name: each["left_out"] for name, each in shown["by_step"].items()} == {
        "count": 0, "long": 1, "short": 2, "deep": 1,
    }  # fmt: skip
    assert shown["parked"] == 0
    text = lab.run("run", "show", str(shown["run"])).stdout
    assert "left out" in text
    plan = lab.json("pipeline", "plan", "p")
    left = [each for each in plan if each["action"] == "leave out"]
    assert sorted(each["step"] for each in left) == ["deep", "long", "short", "short"]
    again = run(lab, BRANCH, 0, "-p", "deep=true")
    assert outputs(lab, again["run"])["deep"] == ["/deep"]


def test_a_step_without_inputs_runs_once_and_again_only_when_its_key_changes(lab: LabFolder) -> None:
    steps = "  make:\n    command: 'echo hello > \"$OUT/x\"'\noutputs: {made: {from: make}}\n"
    first, second = run(lab, steps), run(lab, steps)
    assert (first["by_step"]["make"]["ran"], second["by_step"]["make"]["skipped"]) == (1, 1)
    changed = run(lab, steps.replace("hello", "bye"))
    assert changed["by_step"]["make"]["ran"] == 1
    assert outputs(lab, changed["run"]) == {"made": ["/x"]}
    assert "no input" in lab.run("pipeline", "plan", "p").stdout


def test_a_condition_on_nothing_is_refused_by_apply_at_its_place(lab: LabFolder) -> None:
    lab.write("pipelines/p.yaml", "pipeline: p\nsteps:\n  a:\n    when: missing\n    command: 'true'\n")
    done = lab.run("apply", expect=2)
    assert "pipelines/p.yaml:4:11: steps.a.when: there is no parameter 'missing'" in done.stderr


def test_steps_in_a_circle_are_refused_by_apply(lab: LabFolder) -> None:
    lab.write(
        "pipelines/p.yaml",
        "pipeline: p\nsteps:\n  a: {inputs: {x: {from: b}}, command: 'true'}\n"
        "  b: {inputs: {x: {from: a}}, command: 'true'}\n",
    )
    assert "steps wait for each other in a circle" in lab.run("apply", expect=2).stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo nonsense > $OUT/exports.json", "out/exports.json is not JSON"),
        ("echo NaN > $OUT/exports.json", "out/exports.json is not JSON"),
        ("touch $OUT/Result.csv $OUT/result.csv", "out/Result.csv and out/result.csv have one name on file systems"),
        ('touch $(printf "$OUT/caf\\351")', "The name of out/caf\\xe9 is not UTF-8"),
    ],
)
def test_outputs_that_cannot_be_kept_park_their_datum_with_the_reason(lab: LabFolder, command: str, words: str) -> None:
    shown = run(lab, f"  a:\n    command: {json.dumps(command)}\n    exports: {{n: n}}\n", 1)
    (parked,) = shown["parked_tasks"]
    assert parked["cause"] == "user"
    assert words in parked["message"]


def test_a_step_that_writes_into_its_inputs_changes_nothing_but_its_own_copy(lab: LabFolder) -> None:
    lab.write("inbox/a.txt", "kept\n" * 50_000)
    lab.up()
    shown = run(
        lab,
        """\
  spoil:
    inputs: {text: {from: texts, glob: "/*"}}
    command: 'echo spoiled > "$TEXT"; rm -f "$TEXT"; echo new > "$(dirname "$TEXT")/new"; echo ok > "$OUT/ok"'
  read:
    inputs: {text: {from: texts, glob: "/*"}, ok: {from: spoil, glob: "/*"}}
    command: 'cp "$TEXT" "$OUT/"'
outputs: {read: {from: read}}
""",
    )
    assert shown["state"] == "COMPLETE"
    lab.run("run", "outputs", str(shown["run"]), "--to", "got")
    assert (lab.folder / "got/read/a.txt").read_text() == "kept\n" * 50_000
    assert lab.run("admin", "verify").returncode == 0
