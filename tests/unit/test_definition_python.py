"""Steps that are Python functions: what their pipelines and their heads get wrong, each at its place."""

from pathlib import Path

import pytest

from aliquot.definitions import read_lab
from aliquot.engine.keys import step_parts
from aliquot.model.errors import Invalid
from aliquot.model.function import Files, step

PIPELINE = """pipeline: p
parameters:
  window: {type: integer, default: 5}
  name: {type: string, default: x}
inputs: {d: {dataset: d}}
steps:
  a:
    inputs: {spectrum: {from: d, glob: "/{sample}.csv"}}
    python: steps.smooth:smooth
    bundle: [steps/peaks.py]
"""
MODULE = """from pathlib import Path

import aliquot
from steps.peaks import find


@aliquot.step
def smooth(spectrum: Path, out: Path, sample: str, window: int = 3) -> None:
    find(spectrum)
"""
S = "steps/smooth.py"
P = "pipelines/p.yaml"


def lab(folder: Path, pipeline: str = PIPELINE, module: str = MODULE) -> Path:
    for name in ("steps", "pipelines"):
        (folder / name).mkdir()
    (folder / "aliquot.yaml").write_text("lab: here\n")
    (folder / P).write_text(pipeline)
    (folder / S).write_text(module)
    (folder / "steps/peaks.py").write_text("def find(x): ...\n")
    return folder


def test_a_function_travels_with_its_module_and_what_the_step_names(tmp_path: Path) -> None:
    found = read_lab(lab(tmp_path)).pipelines["p"]
    assert list(found.bundle_digests) == ["steps/peaks.py", S]
    parts = step_parts(found.model, found.model.steps["a"], found.bundle_digests, {"window": 5}, "here").document()
    assert list(parts["code"]) == ["steps/peaks.py", S]
    assert (parts["python"], parts["command"]) == ("steps.smooth:smooth", "")


def test_a_step_with_a_command_keeps_its_key() -> None:
    from aliquot.model.pipeline import Pipeline

    document = {"pipeline": "p", "inputs": {"d": {"dataset": "d"}},
                "steps": {"a": {"inputs": {"x": {"from": "d"}}, "command": "ls"}}}  # fmt: skip
    pipeline = Pipeline.model_validate(document)
    assert "python" not in step_parts(pipeline, pipeline.steps["a"], {}, {}, "here").document()


@pytest.mark.parametrize(
    ("pipeline", "module", "expected"),
    [
        (("python: steps.smooth:smooth", "python: steps.smooth"), None,
         f"{P}:9:13: steps.a.python: 'steps.smooth' is no function; write module:function, like steps.smooth:smooth"),
        (("python: steps.smooth:smooth", "python: steps.smoth:smooth"), None,
         (f"{P}:9:13: steps.a.python: there is no file 'steps/smoth.py' in the lab's folder; "
         "did you mean 'steps/smooth.py'?")),
        (("steps.smooth:smooth", "steps.smooth:smoth"), None,
         f"{P}:9:13: steps.a.python: steps/smooth.py has no function 'smoth' at its top; did you mean 'smooth'?"),
        (("    bundle", "    command: ls\n    bundle"), None,
         f"{P}:9:5: steps.a.python: 'python' and 'command' both say what to run; keep one of them"),
        (("    bundle", "    image: busybox\n    bundle"), None,
         f"{P}:9:5: steps.a.python: 'python' runs in the lab's own Python, not in an image; "  # noqa: ISC004
         "remove 'image', or write the step as a command"),
        (("    bundle: [steps/peaks.py]\n", ""), None,
         f"{S}:4:1: this step does not bundle 'steps/peaks.py'; add it to 'bundle' of the step 'a'"),
        (("spectrum:", "spectra:"), None, (f"{S}:8:12: smooth: the step 'a' gives no 'spectrum'; "
         "did you mean 'spectra'?")),
        (("    bundle", "    parameters: [name]\n    bundle"), None,
         (f"{P}:10:18: steps.a.parameters[0]: the function 'smooth' takes no 'name'; "
         "did you mean 'sample'?")),
        (None, ("@aliquot.step\n", ""), f"{S}:7:1: smooth: the function is no step yet; write @aliquot.step above it"),
        (None, ("def smooth", "async def smooth"),
         f"{S}:8:1: smooth: a step is called, not awaited; write 'def' without 'async'"),
        (None, ("out: Path,", "out: Path, /,"),
         f"{S}:8:12: smooth: 'spectrum' cannot be given by name; remove the '/'"),
        (None, ("window: int", "window: str"),
         f"{S}:8:52: smooth: the pipeline's parameter 'window' is of type integer, not str"),
        (None, ("spectrum: Path", "spectrum: str"),
         f"{S}:8:12: smooth: an input is read as Path, bytes or dict[str, bytes], not as str"),
        (None, ("find(spectrum)", "find(spectrum"), f"{S}:9:9: this is not Python: '(' was never closed"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_at_its_place(tmp_path, pipeline, module, expected) -> None:
    texts = [PIPELINE.replace(*pipeline) if pipeline else PIPELINE, MODULE.replace(*module) if module else MODULE]
    assert texts != [PIPELINE, MODULE]
    with pytest.raises(Invalid) as refused:
        read_lab(lab(tmp_path, *texts))
    assert expected in refused.value.message.splitlines()


@pytest.mark.parametrize(
    "head",
    [
        "from aliquot import step as s\nfrom .peaks import find\nimport numpy\n@s\n",
        "import aliquot as q\nimport peaks\n@q.step\n",
    ],
)
def test_a_step_is_known_under_any_name(tmp_path: Path, head: str) -> None:
    read_lab(lab(tmp_path, PIPELINE, head + "def smooth(spectrum, **more): pass\n"))


def test_a_step_stays_a_function() -> None:
    @step
    def double(n: int) -> Files:
        return Files({"n": str(2 * n)}, exports={"n": n})

    given = double(2)
    assert (given, given.exports) == ({"n": "4"}, {"n": 2})
