"""The `ensure` of a step: rules that can be read, and file types that give columns."""

from collections.abc import Collection, Iterator, Mapping

from aliquot.definitions.check_inputs import check_glob
from aliquot.definitions.check_rules import check_rules
from aliquot.definitions.check_type import check_table
from aliquot.definitions.found import Found
from aliquot.definitions.problem import Path, Problem, instead
from aliquot.definitions.yaml_text import Document
from aliquot.model.file_type import FileType
from aliquot.model.pipeline import Pipeline, Step


def check_ensure(document: Document, step: Step, path: Path) -> Iterator[Problem]:
    """Give what is wrong with the rules of a step beside the shape of them."""
    for at, rule in enumerate(step.ensure):
        yield from check_glob(document, (*path, at, "glob"), rule.glob)[1]
        if rule.schema_ is not None:
            yield from check_table(document, (*path, at, "schema"), rule.schema_)
            yield from check_rules(document, (*path, at, "rules"), rule.rules, rule.schema_)
        if rule.type is not None and rule.schema_ is not None:
            words = "both 'type' and 'schema' say what the table must be; remove one of them"
            yield document.problem((*path, at, "type"), words)


def check_types(
    found: Found[Pipeline], types: Mapping[str, Found[FileType]], names: Collection[str]
) -> Iterator[Problem]:
    """Give the file types that a pipeline's rules name and that are not there, or give no columns."""
    for name, step in found.model.steps.items():
        for at, rule in enumerate(step.ensure):
            if rule.type is None:
                continue
            path, known = ("steps", name, "ensure", at, "type"), types.get(rule.type)
            if rule.type not in names:
                words = f"there is no file type {rule.type!r}{instead(rule.type, sorted(names))}"
                yield found.text.problem(path, words)
            elif known is not None and known.model.table is None:
                words = f"the file type {rule.type!r} has no 'table', so there is nothing to check"
                yield found.text.problem(path, words)
