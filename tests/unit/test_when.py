"""The `when` of a step: what it may name, and whom it lets in."""

from pathlib import Path
from typing import Any

import pytest

from aliquot.definitions.read import read_pipeline_file
from aliquot.engine.condition import Condition
from aliquot.model.errors import Invalid

PIPELINE = """\
pipeline: p
parameters: {deep: {type: boolean, default: false}}
inputs: {d: {dataset: d}}
steps:
  count:
    inputs: {r: {from: d, glob: "/*"}}
    command: count
    exports: {n_reads: n}
  other:
    command: other
    exports: {elsewhere: n}
  use:
    inputs: {r: {from: count, glob: "/*"}}
    when: WHEN
    command: use
"""


def problems(tmp_path: Path, when: str) -> list[str]:
    path = tmp_path / "p.yaml"
    path.write_text(PIPELINE.replace("WHEN", when))
    try:
        read_pipeline_file(path, tmp_path)
    except Invalid as error:
        return error.message.splitlines()[1:]
    return []


@pytest.mark.parametrize(
    "when",
    ["deep", "n_reads > `5`", "deep && n_reads", "@.deep", "length(n_reads) > `0`", "n_reads[?x > `1`]", "!deep"],
)
def test_parameters_and_exports_that_reach_the_step_may_be_named(tmp_path: Path, when: str) -> None:
    assert problems(tmp_path, f'"{when}"') == []


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("n_read > `5`",
         "there is no parameter 'n_read', and no step that this one takes from exports it; did you mean 'n_reads'?"),
        ("elsewhere",
         "the export 'elsewhere' of the step 'other' does not reach this step, which takes no files from it"),
        ("`true`", "'`true`' names no parameter and no export; there is 'deep', 'n_reads'"),
        ("n_reads > 5",
         "'n_reads > 5' is not a JMESPath expression (at character 11); values in it stand in back-quotes, like `5`"),
    ],
)  # fmt: skip
def test_what_refers_to_nothing_is_refused_at_its_place(tmp_path: Path, when: str, words: str) -> None:
    assert problems(tmp_path, f'"{when}"') == [f"p.yaml:14:11: steps.use.when: {words}"]


@pytest.mark.parametrize(
    ("expression", "exports", "let_in"),
    [
        (None, {}, True),
        ("n > `5`", {"n": 6}, True),
        ("n > `5`", {"n": 5}, False),
        ("n", {}, False),
        ("n", {"n": 0}, True),
        ("n", {"n": ""}, False),
        ("n", {"n": []}, False),
        ("deep", {}, True),
        ("deep", {"deep": False}, False),
    ],
)
def test_null_false_and_nothing_say_no(expression: str | None, exports: dict[str, Any], let_in: bool) -> None:
    assert Condition(expression, {"deep": True})(exports) is let_in


def test_a_condition_that_cannot_take_a_value_says_so() -> None:
    with pytest.raises(Invalid) as caught:
        Condition("length(n) > `1`", {})({"n": 3})
    assert caught.value.code == "when-not-usable"
    assert "length(n)" in caught.value.message
