"""What is in a task's key, what is not, and that its format does not change by accident."""

from dataclasses import replace
from typing import Any

import pytest

from aliquot.engine.datums import Datum, File, Part
from aliquot.engine.keys import Keys, StepParts, bundled, step_parts
from aliquot.model.digest import Digest, digest_bytes
from aliquot.model.pipeline import Pipeline

DOCUMENT: dict[str, Any] = {
    "pipeline": "p",
    "title": "One",
    "parameters": {"min": {"type": "integer", "default": 1}, "max": {"type": "integer", "default": 9}},
    "inputs": {"in": {"dataset": "d"}},
    "steps": {
        "s": {
            "inputs": {"file": {"from": "in", "glob": "/{name}.txt"}},
            "parameters": ["min"],
            "bundle": ["scripts"],
            "command": "cat $FILE",
            "image": "busybox:1",
        }
    },
}
BUNDLE = {"scripts/a.py": "blake3:a", "other.py": "blake3:o"}
A, B = digest_bytes(b"a"), digest_bytes(b"b")
DATUM: Datum = (Part("file", "/x.txt", {"name": "x"}, (File("/x.txt", A, 1),), single=True),)
PARTS = StepParts("env", None, "cat $FILE", {"a.py": "blake3:a"}, {"min": 1})


def parts(environment: str = "sha256:1", values: dict[str, Any] | None = None, **step: Any) -> StepParts:
    document = {**DOCUMENT, "steps": {"s": {**DOCUMENT["steps"]["s"], **step}}}
    pipeline = Pipeline.model_validate(document)
    return step_parts(pipeline, pipeline.steps["s"], BUNDLE, {"min": 1, "max": 9, **(values or {})}, environment)


def key(given: StepParts, datum: Datum = DATUM, exports: dict[str, Any] | None = None) -> Digest:
    return Keys(given).key(datum, exports or {})


def test_the_format_of_keys_is_what_it_was() -> None:
    # A change here makes every lab run everything anew: raise keys.FORMAT with it, and say so in the release's notes.
    assert key(PARTS) == "blake3:e4ce354577419132c68cd86a0964e9525e59e5c60fcc40f00d1aaa6a6cd2e78d"
    two = (
        Part("reads", "/", {"s": "x"}, (File("/x_2", B, 1, "k"), File("/x_1", A, 1)), single=False),
        Part("sheet", "/", {}, (), single=False),
    )
    assert key(PARTS, two, {"n": [1, "ü"]}) == "blake3:48ff8cfa584139dc483021d1beb8fa24c22c8a0b6048249c5102fdd6664ff45f"


@pytest.mark.parametrize(
    "other",
    [
        parts(environment="sha256:2"),
        parts(command="cat  $FILE"),
        parts(command=["cat", "$FILE"]),
        parts(values={"min": 2}),
        parts(bundle=[]),
        parts(parameters=["min", "max"]),
        parts(parameters=[]),
    ],
)
def test_what_decides_the_result_is_in_the_key(other: StepParts) -> None:
    assert key(other) != key(parts())


@pytest.mark.parametrize(
    "other",
    [
        parts(values={"max": 8}),
        parts(image="busybox:latest"),
        parts(title="Another"),
        parts(resources={"cpus": 4, "memory": "1GiB", "time": "1h"}),
        parts(retry={"attempts": 9}),
        parts(failures="stop"),
        parts(exports={"n": "n"}),
    ],
)
def test_what_does_not_decide_the_result_is_not(other: StepParts) -> None:
    assert key(other) == key(parts())


PART = DATUM[0]


@pytest.mark.parametrize(
    "other",
    [
        (replace(PART, files=(File("/x.txt", B, 1),)),),
        (replace(PART, files=(File("/y.txt", A, 1),)),),
        (replace(PART, input="other"),),
        (replace(PART, captures={"name": "y"}),),
        (replace(PART, matched="/"),),
        (PART, PART),
        (),
    ],
)
def test_every_part_of_the_datum_is_in_the_key(other: Datum) -> None:
    assert key(PARTS, other) != key(PARTS)


def test_size_and_maker_of_a_file_and_the_order_of_files_are_not() -> None:
    one = (replace(PART, matched="/", files=(File("/a", A, 1), File("/b", B, 1))),)
    other = (replace(PART, matched="/", files=(File("/b", B, 2, "k"), File("/a", A, 1))),)
    assert key(PARTS, one) == key(PARTS, other)


def test_exports_are_in_the_key() -> None:
    assert len({key(PARTS), key(PARTS, exports={"n": 1}), key(PARTS, exports={"n": "1"})}) == 3


def test_a_file_cannot_pass_for_two() -> None:
    joined = (replace(PART, matched="/", files=(File(f'/a","{A}"],["/b', B, 1),)),)
    apart = (replace(PART, matched="/", files=(File("/a", A, 1), File("/b", B, 1))),)
    assert key(PARTS, joined) != key(PARTS, apart)


def test_a_bundle_holds_what_the_step_names_itself_or_by_folder() -> None:
    pipeline = Pipeline.model_validate(
        {**DOCUMENT, "steps": {"s": {**DOCUMENT["steps"]["s"], "bundle": ["./scripts/", "one.py"]}}}
    )
    held = {"scripts/a.py": "1", "scripts/b/c.py": "2", "scripts2/d.py": "3", "one.py": "4", "one.pyc": "5"}
    assert bundled(pipeline.steps["s"], held) == {"one.py": "4", "scripts/a.py": "1", "scripts/b/c.py": "2"}
