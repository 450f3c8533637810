"""The environment of a step's command: which names it has, and which would stand for two things."""

import re
from collections.abc import Iterator

from aliquot.definitions.problem import Path, Problem, nearest
from aliquot.definitions.yaml_text import Document
from aliquot.model.glob import CAPTURE_NAME, GlobError, captures_in, compile_glob
from aliquot.model.inputs import At, flat, meeting, same_value
from aliquot.model.pipeline import Pipeline, Step

RESERVED = frozenset({"OUT", "BUNDLE", "CPUS", "MEMORY_MB", "TASK", "PATH", "HOME"})
"""Names that every command has."""

_OF_THE_SYSTEM = frozenset(
    {"BASH_ENV", "ENV", "IFS", "LANG", "LOGNAME", "PWD", "OLDPWD", "SHELL", "TERM", "TMPDIR", "USER", "PYTHONPATH"}
)
_VARIABLE = re.compile(r"\$(?:\{([A-Z][A-Z0-9_]*)\}|([A-Z][A-Z0-9_]*))", re.ASCII)


def check_environment(document: Document, pipeline: Pipeline, name: str) -> list[Problem]:
    """Give the names of a step's environment that cannot be, or that two things would claim."""
    problems: list[Problem] = []
    taken: dict[str, str] = {}
    step = pipeline.steps[name]
    for path, word, what in _claims(pipeline, name):
        variable = word.upper()
        if not CAPTURE_NAME.fullmatch(word):
            words = f"{word!r} cannot be a variable of the command: use a letter, then letters, digits and '_'"
        elif variable in RESERVED:
            words = f"{what} would be ${variable}, which every command has already; choose another name"
        elif variable in _OF_THE_SYSTEM or variable.startswith(("LD_", "DYLD_")):
            words = f"{what} would be ${variable}, which has a meaning for the system; choose another name"
        elif variable in taken:
            words = f"{what} and {taken[variable]} would both be ${variable}; choose another name for one"
        else:
            taken[variable] = what
            continue
        problems.append(document.problem(path, words, key=path[-1] != "glob"))
    return problems + list(_unknown_variables(document, name, step, RESERVED | set(taken)))


def _claims(pipeline: Pipeline, name: str) -> Iterator[tuple[Path, str, str]]:
    step = pipeline.steps[name]
    for each, at in _places(step).items():
        yield ("steps", name, "inputs", *at), each, f"the input {each!r}"
    for parameter in pipeline.parameters if step.parameters is None else step.parameters:
        if parameter in pipeline.parameters:
            yield ("parameters", parameter), parameter, f"the parameter {parameter!r}"
    for at, each, capture in _captured(step):
        yield ("steps", name, "inputs", *at, "glob"), capture, f"{capture!r} captured by the input {each!r}"
    for before, each in earlier_exports(pipeline, name):
        yield ("steps", before, "exports", each), each, f"the export {each!r} of the step {before!r}"
    for each in step.exports:
        if not CAPTURE_NAME.fullmatch(each) or each.upper() in RESERVED:
            yield ("steps", name, "exports", each), each, f"the export {each!r}"


def _places(step: Step) -> dict[str, At]:
    """Give the place of each input; of two with one name, which is told elsewhere, the first."""
    places: dict[str, At] = {}
    for at, each, _ in flat(step.taken):
        places.setdefault(each, at)
    return places


def _captured(step: Step) -> Iterator[tuple[At, str, str]]:
    """Give place, input and name of each capture, except where another input has it that cannot tell another value."""
    holders: dict[str, list[str]] = {}
    for each, at in _places(step).items():
        try:
            captures = compile_glob(step.inputs[each].glob).captures
        except GlobError:
            continue
        for capture in captures:
            if capture.isdecimal():
                continue
            others = holders.setdefault(capture, [])
            if not others or not all(_one_value(step, capture, each, other) for other in others):
                yield at, each, capture
            others.append(each)


def _one_value(step: Step, capture: str, one: str, other: str) -> bool:
    """Say whether a capture of two inputs has one value in every datum: they are matched by it, or never together."""
    a, b = step.inputs[one], step.inputs[other]
    match meeting(step.combination, one, other):
        case "union":
            return True
        case "join":
            return same_value(a.join_on, b.join_on) and capture in captures_in(a.join_on or "")
        case "group":
            return same_value(a.group_by, b.group_by) and capture in captures_in(a.group_by or "")
        case _:
            return False


def earlier_exports(pipeline: Pipeline, name: str) -> Iterator[tuple[str, str]]:
    """Give what reaches a step from those before it: the step that exports, and the export's name."""
    for before in _before(pipeline, name):
        for each in pipeline.steps[before].exports:
            yield before, each


def _before(pipeline: Pipeline, name: str) -> list[str]:
    """Give the steps that this one waits for, over any distance."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        for each in pipeline.steps[waiting.pop()].inputs.values():
            if each.from_ in pipeline.steps and each.from_ not in found:
                found[each.from_] = None
                waiting.append(each.from_)
    found.pop(name, None)
    return sorted(found)


def _unknown_variables(
    document: Document, name: str, step: Step, known: set[str] | frozenset[str]
) -> Iterator[Problem]:
    """Find variables of a command without a shell that look like a slip; a shell may have set its own."""
    if isinstance(step.command, str):
        return
    for at, text in enumerate(step.command):
        for found in _VARIABLE.finditer(text):
            variable = found[1] or found[2]
            if variable not in known and (guess := nearest(variable, known, cutoff=0.75)):
                words = f"there is no ${variable} for this command; did you mean ${guess}?"
                yield document.problem(("steps", name, "command", at), words)
