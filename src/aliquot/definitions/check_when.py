"""The `when` of a step: an expression that can be read, over values that are there."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import jmespath
from jmespath.exceptions import JMESPathError

from aliquot.definitions.problem import Problem, instead
from aliquot.definitions.yaml_text import Document
from aliquot.model.pipeline import Pipeline

_OF_THE_LEFT = {"index_expression", "projection", "value_projection", "filter_projection", "flatten"}
_ALL = {"identity", "current"}


def check_when(document: Document, pipeline: Pipeline, name: str) -> Iterator[Problem]:
    """Give what is wrong with a step's `when`: no JMESPath, or names that are neither parameter nor export."""
    step, path = pipeline.steps[name], ("steps", name, "when")
    if step.when is None:
        return
    try:
        tree = cast("dict[str, Any]", jmespath.compile(step.when).parsed)
    except JMESPathError as error:
        at = getattr(error, "lex_position", None)
        words = f"{step.when!r} is not a JMESPath expression" + ("" if at is None else f" (at character {at + 1})")
        yield document.problem(path, f"{words}; values in it stand in back-quotes, like `5`")
        return
    before = dict.fromkeys(each.from_ for each in step.inputs.values() if each.from_ in pipeline.steps)
    known = list(dict.fromkeys([*pipeline.parameters, *(e for each in before for e in pipeline.steps[each].exports)]))
    named = list(dict.fromkeys(_named(tree)))
    if not named:
        yield document.problem(path, f"{step.when!r} names no parameter and no export{_there_is(known)}")
    for each in named:
        if each in known:
            continue
        maker = next((other for other, made in pipeline.steps.items() if each in made.exports), None)
        if maker is not None:
            words = f"the export {each!r} of the step {maker!r} does not reach this step, which takes no files from it"
        else:
            words = f"there is no parameter {each!r}, and no step that this one takes from exports it"
            words += instead(each, known) if known else ""
        yield document.problem(path, words)


def _there_is(known: list[str]) -> str:
    return f"; there is {', '.join(map(repr, known))}" if known else "; there is none here"


def _named(tree: dict[str, Any]) -> Iterator[str]:
    """Give the names that an expression looks up at its top, where parameters and exports stand."""
    kind, children = tree["type"], tree["children"]
    if kind == "field":
        yield tree["value"]
    elif kind in {"expref", "literal"}:
        return
    elif kind in _OF_THE_LEFT or kind in {"subexpression", "pipe"}:
        # What follows is looked up in what the left side gives; `@` on the left gives the top itself.
        yield from _named(children[0])
        if kind in {"subexpression", "pipe"}:
            for left, right in pairwise(children):
                if left["type"] not in _ALL:
                    break
                yield from _named(right)
    else:
        for each in children:
            yield from _named(each)
