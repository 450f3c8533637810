"""The inputs of a step: where they come from, and that they can be combined as it is written."""

from collections.abc import Iterator
from typing import Literal

from aliquot.definitions.problem import Path, Problem, instead
from aliquot.definitions.yaml_text import Document
from aliquot.model.glob import Glob, GlobError, captures_in, compile_glob
from aliquot.model.inputs import Combination, Combined, Inputs, Leaf, flat, leaves, same_value
from aliquot.model.pipeline import Pipeline, Step, StepInput

Key = Literal["join_on", "group_by"]
Gives = Literal["always", "never", "sometimes", "twice", "unlike"]
"""Whether each datum of a part has one value to be joined or grouped by.

`unlike`: a group whose entries may differ in the value by which the group would be joined.
"""

_WORDS = {"join_on": ("join", "joined"), "group_by": ("group", "grouped")}


def check_inputs(document: Document, pipeline: Pipeline, name: str) -> Iterator[Problem]:
    """Give all mistakes in the inputs of a step."""
    step, path = pipeline.steps[name], ("steps", name, "inputs")
    yield from _items(document, path, step.taken)
    seen: set[str] = set()
    for at, each, taken in flat(step.taken):
        where = (*path, *at)
        if each in seen:
            words = f"this step has an input {each!r} already; each needs a name of its own, also where one is absent"
            yield document.problem(where, words, key=True)
        seen.add(each)
        yield from _source(document, pipeline, name, (*where, "from"), taken.from_)
        glob, problems = check_glob(document, (*where, "glob"), taken.glob)
        yield from problems
        if glob is not None:
            for key, template in (("join_on", taken.join_on), ("group_by", taken.group_by)):
                if template is not None:
                    yield from _template(document, (*where, key), template, glob)
    if len(seen) == sum(1 for _ in flat(step.taken)):
        yield from _combined(document, path, step, step.combination, joined=False)


def check_glob(document: Document, path: Path, text: str) -> tuple[Glob | None, list[Problem]]:
    """Compile a glob of a document, or say what is wrong with it."""
    try:
        return compile_glob(text), []
    except GlobError as error:
        return None, [document.problem(path, str(error))]


def _items(document: Document, path: Path, inputs: Inputs) -> Iterator[Problem]:
    """Find items of lists that hold no input, or several."""
    for key, value in inputs.parts():
        if isinstance(value, StepInput):
            continue
        for position, inner in enumerate(value):
            where = (*path, key, position)
            count = sum(1 for _ in inner.parts())
            if count != 1:
                found = "nothing" if count == 0 else f"{count} inputs"
                words = f"each item of a {key} is one input, but this one holds {found}; write '-' before each input"
                yield document.problem(where, words)
            yield from _items(document, where, inner)


def _source(document: Document, pipeline: Pipeline, step: str, path: Path, source: str) -> Iterator[Problem]:
    if source == step:
        yield document.problem(path, "a step cannot take files from itself")
    elif source in pipeline.inputs and source in pipeline.steps:
        yield document.problem(path, f"{source!r} is both an input of the pipeline and a step; rename one of them")
    elif source not in pipeline.inputs and source not in pipeline.steps:
        known = [*pipeline.inputs, *(name for name in pipeline.steps if name != step)]
        yield document.problem(path, f"there is no input or step {source!r}{instead(source, known)}")


def _template(document: Document, path: Path, template: str, glob: Glob) -> Iterator[Problem]:
    named = captures_in(template)
    if not named:
        known = [f"${name}" for name in glob.captures] or ["$name for a {name} in the glob"]
        yield document.problem(path, f"{template!r} names no capture; write {' or '.join(known)}")
    for name in named:
        if name not in glob.captures:
            words = f"the glob {glob.text!r} captures no {name!r}{instead(name, glob.captures)}"
            yield document.problem(path, words)


def _combined(document: Document, path: Path, step: Step, part: Combination, *, joined: bool) -> Iterator[Problem]:
    """Find what cannot be combined; `joined` says that a join is around the part."""
    if isinstance(part, Leaf):
        taken = step.inputs[part.name]
        for key, given in (("join_on", taken.join_on is not None), ("outer_join", taken.outer_join)):
            if given and not joined:
                yield document.problem((*path, *part.at, key), f"{key} has a meaning in a join only", key=True)
        return
    if part.how == "join" and len(part.of) < 2:
        words = "a join has two inputs or more; put the partner into it, or write the input without join"
        yield document.problem((*path, *part.at), words, key=True)
    elif part.how in {"join", "group"}:
        for each in part.of:
            yield from _value(document, path, step, "join_on" if part.how == "join" else "group_by", each)
    for each in part.of:
        yield from _combined(document, path, step, each, joined=joined or part.how == "join")


def _value(document: Document, path: Path, step: Step, key: Key, part: Combination) -> Iterator[Problem]:
    how, done = _WORDS[key]
    gives = _gives(step, part, key)
    if gives == "always":
        return
    if isinstance(part, Leaf):
        words = f"{key!r} is missing; in a {how} each input says by which captures it is {done}"
    elif gives == "twice":
        words = f"more than one part of this {part.how} has a {key}; give it to one, or write them all into the {how}"
    elif gives == "unlike":
        words = "what is grouped can be joined by what it is grouped by: let join_on be the same as group_by"
    elif gives == "never":
        words = f"nothing in this {part.how} has a {key}, by which it could be {done}"
    else:
        words = f"some datums of this {part.how} would have no {key}; give it to every input of which one may be alone"
    yield document.problem((*path, *part.at), words, key=True)


def _gives(step: Step, part: Combination, key: Key) -> Gives:
    if isinstance(part, Leaf):
        return "always" if getattr(step.inputs[part.name], key) is not None else "never"
    if part.how == ("join" if key == "join_on" else "group"):
        return "always"
    found: list[Gives] = [_gives(step, each, key) for each in part.of]
    if all(each == "never" for each in found):
        return "never"
    match part.how:
        case "union":
            if "never" in found:
                return "sometimes"
            worst: list[Gives] = [each for each in found if each != "always"]
            return worst[0] if worst else "always"
        case "group":
            return "always" if _joined_as_grouped(step, part) else "unlike"
        case "join" if all(_alike(step.inputs[each.name]) for each in leaves(part)):
            return "always"
        case _:
            return _of_product(step, part, found)


def _of_product(step: Step, part: Combined, found: list[Gives]) -> Gives:
    giving = [at for at, each in enumerate(found) if each != "never"]
    if len(giving) > 1:
        return "twice"
    others = [each for at, inner in enumerate(part.of) if at not in giving for each in leaves(inner)]
    if part.how == "join" and any(step.inputs[each.name].outer_join for each in others):
        return "sometimes"
    return found[giving[0]]


def _joined_as_grouped(step: Step, part: Combined) -> bool:
    """Say whether the entries of a group all have the same value by which the group is joined."""
    taken = [step.inputs[each.name] for each in leaves(part)]
    if len(taken) == 1:
        return set(captures_in(taken[0].join_on or "")) <= set(captures_in(taken[0].group_by or ""))
    return all(_alike(each) for each in taken)


def _alike(taken: StepInput) -> bool:
    return taken.join_on is not None and same_value(taken.join_on, taken.group_by)
