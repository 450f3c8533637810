"""Steps that are Python functions: read by their syntax alone, no code of theirs is run."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from aliquot.definitions.environment import earlier_exports
from aliquot.definitions.found import Bundled
from aliquot.definitions.problem import Problem, instead
from aliquot.definitions.yaml_text import Document
from aliquot.model.function import module_file
from aliquot.model.glob import GlobError, compile_glob
from aliquot.model.inputs import flat
from aliquot.model.pipeline import Pipeline, Step

_KINDS = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
_READ_AS = ("Path", "pathlib.Path", "bytes", "dict[str, bytes]")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def check_functions(
    document: Document, pipeline: Pipeline, bundle: Mapping[str, Bundled], folder: Path
) -> list[Problem]:
    """Give the mistakes in how the steps of a pipeline name Python functions, and in the functions' heads.

    `bundle` holds the bundled files of all steps; `folder` is the lab's, to tell its own modules from installed ones.
    """
    problems: list[Problem] = []
    for name, step in pipeline.steps.items():
        if step.python is None or module_file(step.python) not in bundle:
            continue
        path = module_file(step.python)
        tree, broken = _parse(path, bundle[path].data)
        problems += broken
        if tree is not None:
            problems += _function(document, pipeline, name, tree)
            problems += _imports(step, name, bundle, folder)
    return problems


def _parse(path: str, data: bytes) -> tuple[ast.Module | None, list[Problem]]:
    try:
        return ast.parse(data, path), []
    except SyntaxError as error:
        return None, [Problem(path, error.lineno or 1, error.offset or 1, "", f"this is not Python: {error.msg}")]
    except ValueError as error:
        return None, [Problem(path, 1, 1, "", f"this is not Python: {error}")]


def _function(document: Document, pipeline: Pipeline, name: str, tree: ast.Module) -> Iterator[Problem]:
    step = pipeline.steps[name]
    assert step.python is not None
    path, wanted = module_file(step.python), step.python.partition(":")[2]
    place = ("steps", name, "python")
    found = {each.name: each for each in tree.body if isinstance(each, Function)}
    if wanted not in found:
        yield document.problem(place, f"{path} has no function {wanted!r} at its top{instead(wanted, list(found))}")
        return
    function = found[wanted]
    if isinstance(function, ast.AsyncFunctionDef):
        yield _at(path, function, wanted, "a step is called, not awaited; write 'def' without 'async'")
    if not any(_is_step(each, tree) for each in function.decorator_list):
        yield _at(path, function, wanted, "the function is no step yet; write @aliquot.step above it")
    yield from _parameters(document, pipeline, name, function)


def _parameters(document: Document, pipeline: Pipeline, name: str, function: Function) -> Iterator[Problem]:
    step = pipeline.steps[name]
    assert step.python is not None
    path, known = module_file(step.python), _known(pipeline, name)
    given = function.args
    for each in given.posonlyargs:
        yield _at(path, each, function.name, f"{each.arg!r} cannot be given by name; remove the '/'")
    optional = {each.arg for each in given.args[len(given.args) - len(given.defaults) :]}
    optional |= {
        each.arg for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is not None
    }
    taken = [*given.args, *given.kwonlyargs]
    for each in taken:
        if each.arg not in known and each.arg not in optional:
            words = f"the step {name!r} gives no {each.arg!r}{instead(each.arg, sorted(known))}"
            yield _at(path, each, function.name, words)
        elif words := _misread(pipeline, step, each):
            yield _at(path, each, function.name, words)
    if given.kwarg is not None:
        return
    names = [each.arg for each in taken]
    for at, each, _ in flat(step.taken):
        if each not in names:
            words = f"the function {function.name!r} takes no {each!r}{instead(each, names)}"
            yield document.problem(("steps", name, "inputs", *at), words, key=True)
    for at, each in enumerate(step.parameters or []):
        if each in pipeline.parameters and each not in names:
            words = f"the function {function.name!r} takes no {each!r}{instead(each, names)}"
            yield document.problem(("steps", name, "parameters", at), words)


def _known(pipeline: Pipeline, name: str) -> set[str]:
    """Give the names under which a step's function can be given something."""
    step = pipeline.steps[name]
    known = {"out", *step.inputs, *(pipeline.parameters if step.parameters is None else step.parameters)}
    for each in step.inputs.values():
        try:
            known |= {capture for capture in compile_glob(each.glob).captures if not capture.isdecimal()}
        except GlobError:
            continue
    return known | {each for _, each in earlier_exports(pipeline, name)}


def _misread(pipeline: Pipeline, step: Step, parameter: ast.arg) -> str:
    """Say in words that an annotation does not fit what is given; empty when it does, or cannot be told."""
    if parameter.annotation is None:
        return ""
    written = ast.unparse(parameter.annotation).strip("'\"")
    if parameter.arg in step.inputs:
        fits = written.removesuffix(" | None") in _READ_AS
        return "" if fits else f"an input is read as Path, bytes or dict[str, bytes], not as {written}"
    if parameter.arg == "out":
        return "" if written in _READ_AS[:2] else f"'out' is a Path, not {written}"
    schema: dict[str, Any] = pipeline.parameters.get(parameter.arg, {})
    kind, expected = schema.get("type"), _KINDS.get(written)
    if expected is None or not isinstance(kind, str) or expected == kind or (expected, kind) == ("number", "integer"):
        return ""
    return f"the pipeline's parameter {parameter.arg!r} is of type {kind}, not {written}"


def _imports(step: Step, name: str, bundle: Mapping[str, Bundled], folder: Path) -> Iterator[Problem]:
    """Find modules of the lab that a step's code imports and that the step does not bundle: they would be missing."""
    wanted = [each.strip("/").removeprefix("./") for each in step.bundled]
    own = [path for path in bundle if any(path == each or path.startswith(each + "/") for each in wanted)]
    for path in own:
        if not path.endswith(".py"):
            continue
        tree, _ = _parse(path, bundle[path].data)
        for node in ast.walk(tree) if tree is not None else ():
            for candidates in _modules(node, path):
                if any(each in own for each in candidates):
                    continue
                missing = next((each for each in candidates if (folder / each).is_file()), None)
                if missing:
                    words = f"this step does not bundle {missing!r}; add it to 'bundle' of the step {name!r}"
                    yield _at(path, node, "", words)


def _modules(node: ast.AST, path: str) -> Iterator[list[str]]:
    """Give, for each module that a statement imports, the files of the lab that it may be."""
    here = PurePosixPath(path).parent
    if isinstance(node, ast.Import):
        for each in node.names:
            yield _files(each.name.split("."), here)
    elif isinstance(node, ast.ImportFrom):
        parts = node.module.split(".") if node.module else []
        if node.level:
            folder = here
            for _ in range(node.level - 1):
                folder = folder.parent
            parts = [*(part for part in folder.parts if part != "."), *parts]
        if parts:
            yield _files(parts, here)
        for each in node.names:
            yield _files([*parts, each.name], here)


def _files(parts: list[str], here: PurePosixPath) -> list[str]:
    below = "/".join(parts)
    places = [below, str(here / below)]
    return list(dict.fromkeys(f"{each}{end}" for each in places for end in (".py", "/__init__.py")))


def _is_step(decorator: ast.expr, tree: ast.Module) -> bool:
    named = {"aliquot.step"}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "aliquot":
            named |= {each.asname or each.name for each in node.names if each.name == "step"}
        if isinstance(node, ast.Import):
            named |= {f"{each.asname}.step" for each in node.names if each.name == "aliquot" and each.asname}
    return ast.unparse(decorator) in named


def _at(path: str, node: ast.expr | ast.stmt | ast.arg | ast.AST, field: str, text: str) -> Problem:
    return Problem(path, getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1, field, text)
