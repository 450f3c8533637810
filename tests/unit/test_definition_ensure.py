"""Mistakes in the `ensure` of a step, each at its place; and what decides its keys."""

from pathlib import Path
from typing import Any

import pytest

from aliquot.definitions import read_lab
from aliquot.engine.keys import parts_from, step_parts
from aliquot.model.errors import Invalid
from aliquot.model.pipeline import Pipeline

HEAD = "pipeline: p\nparameters: {deep: {type: boolean, default: false}}\ninputs: {d: {dataset: d}}\nsteps:\n  a:\n"
INPUT = '    inputs: {r: {from: d, glob: "/*"}}\n'


def problems(tmp_path: Path, step: str) -> list[str]:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "types").mkdir()
    (tmp_path / "aliquot.yaml").write_text("lab: l\n")
    kind = "type: NAME\nrecognise: {name: '*.csv'}\nformat: table\n"
    (tmp_path / "types/charges.yaml").write_text(kind.replace("NAME", "charges") + "table: {fields: [{name: n}]}\n")
    (tmp_path / "types/loose.yaml").write_text(kind.replace("NAME", "loose"))
    (tmp_path / "pipelines/p.yaml").write_text(HEAD + step)
    try:
        read_lab(tmp_path)
    except Invalid as error:
        return [each.removeprefix("pipelines/p.yaml:") for each in error.message.splitlines()[1:]]
    return []


@pytest.mark.parametrize(
    "step",
    [
        INPUT + "    command: ls\n    ensure: []\n",
        INPUT + "    command: ls\n    ensure: [{}, {count: 96}, {glob: /*.csv, type: charges, size: {min: 1KiB}}]\n",
        INPUT + "    ensure: [{non_empty: true}]\n",
        "    inputs: {group: [{r: {from: d, glob: '/{s}', group_by: $s}}]}\n    ensure: [{count: 2}]\n",
        INPUT + "    command: ls\n    ensure: [{schema: {fields: [{name: n}]}}]\n",
    ],
)
def test_rules_that_can_be_read(tmp_path: Path, step: str) -> None:
    assert problems(tmp_path, step) == []


RULE = INPUT + "    command: ls\n    ensure:\n      - "


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (RULE + "{glob: '*.csv'}",
         "9:16: steps.a.ensure[0].glob: a glob begins with '/': write '/*.csv' (at character 1)"),
        (RULE + "{nonempty: true}", "9:10: steps.a.ensure[0].nonempty: unknown key; did you mean 'non_empty'?"),
        (RULE + "{type: charge}",
         "9:16: steps.a.ensure[0].type: there is no file type 'charge'; did you mean 'charges'?"),
        (RULE + "{type: loose}",
         "9:16: steps.a.ensure[0].type: the file type 'loose' has no 'table', so there is nothing to check"),
        (RULE + "{type: charges, schema: {fields: [{name: n}]}}",
         "9:16: steps.a.ensure[0].type: both 'type' and 'schema' say what the table must be; remove one of them"),
        (RULE + "{schema: {fields: [{name: n, constraints: {pattern: '['}}]}}",
         ("9:61: steps.a.ensure[0].schema.fields[0].constraints.pattern: '[' is not a regular expression: unterminated "
         "character set")),
        (RULE + "{digest: md5:00}",
         "9:18: steps.a.ensure[0].digest: 'md5:00' is not a digest; expected blake3: and 64 hex digits"),
        (RULE + "{size: {}}", "9:16: steps.a.ensure[0].size: give 'min', 'max' or both"),
        (RULE + "{size: {min: 2KiB, max: 1KiB}}",
         "9:28: steps.a.ensure[0].size.max: 'max' is less than 'min', so no file can meet both"),
        (RULE + "{size: {min: 2 parsecs}}",
         ("9:22: steps.a.ensure[0].size.min: '2 parsecs' is not an amount of bytes; write a number and one of B, KB, "
         "MB, GB, TB, KiB, MiB, GiB, TiB, like 512MiB or 4GiB")),
        (RULE + "{count: {max: 0}}",
         ("9:18: steps.a.ensure[0].count.max: 'max' is less than 'min' (1 where it is not written), so no number of "
         "files can meet both")),
        (RULE + "{count: -1}", "9:17: steps.a.ensure[0].count: must be at least 0, but it is -1"),
        (RULE + "{count: many}",
         "9:17: steps.a.ensure[0].count: write how many files there may be, like 96 or {min: 1, max: 96}"),
        ("    ensure: [{non_empty: true}]\n",
         ("6:5: steps.a.ensure: 'ensure' without a command checks the files of one input and passes them on; give it "
         "one")),
        ("    inputs: {r: {from: d}, s: {from: d}}\n    ensure: [{}]\n",
         ("7:5: steps.a.ensure: 'ensure' without a command checks the files of one input and passes them on; give it "
         "one")),
        (INPUT + "    ensure: [{}]\n    image: busybox\n",
         "8:5: steps.a.image: 'image' has no meaning in a step without a command; remove it"),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_their_place(tmp_path: Path, step: str, words: str) -> None:
    assert problems(tmp_path, step) == [words]


def pipeline(**step: Any) -> Pipeline:
    steps = {"s": {"inputs": {"r": {"from": "d"}}, **step}}
    return Pipeline.model_validate({"pipeline": "p", "parameters": {"n": {}}, "inputs": {"d": {"dataset": "d"}},
                                    "steps": steps})  # fmt: skip


def test_rules_are_parts_of_the_key_only_where_there_are_any() -> None:
    of = pipeline(command="ls")
    without = step_parts(of, of.steps["s"], {}, {"n": 1}, "env")
    assert "ensure" not in without.document()
    rules = [{"glob": "/**", "non_empty": True}]
    parts = step_parts(of, of.steps["s"], {}, {"n": 1}, "env", rules)
    assert parts.document()["ensure"] == rules
    assert parts_from(parts.document()) == parts
    assert parts_from(without.document()) == without


def test_parameters_do_not_decide_a_step_that_runs_nothing() -> None:
    of = pipeline(ensure=[{}])
    assert step_parts(of, of.steps["s"], {}, {"n": 1}, "env", [{"glob": "/**"}]).parameters == {}
