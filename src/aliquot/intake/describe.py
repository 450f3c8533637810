"""What people say of a file beside its content: values for its type's `describe`, each with where it came from."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import jsonschema_rs

from aliquot.definitions.problem import nearest
from aliquot.intake.companions import Beside
from aliquot.intake.judge import SHOWN, Judgement, refusal
from aliquot.intake.sidecar import read_sidecar, value_of
from aliquot.model.digest import canonical
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.finding import Finding, Severity


class Said(NamedTuple):
    """A value and who or what said it, in words. A `text` may still stand for a number, as its schema has it."""

    value: Any
    origin: str
    text: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What a person said with the delivery: for the files of a type, by its name, or under None for all."""

    values: Mapping[str | None, Mapping[str, str]]
    who: str

    def of(self, type_name: str) -> dict[str, Said]:
        """Give what was said of files of a type."""
        said = {**self.values.get(None, {}), **self.values.get(type_name, {})}
        return {name: Said(value, f"given by {self.who}", text=True) for name, value in said.items()}


def require_known(given: Given, types: Sequence[FileType]) -> None:
    """Refuse what no type asks for, or what its schema does not allow: it is sooner a slip than a wish."""
    describing = {each.type: each for each in types if each.describe is not None}
    for type_name, values in given.values.items():
        asked = [describing[type_name]] if type_name in describing else [] if type_name else [*describing.values()]
        if not asked:
            there_are = "there are: " + ", ".join(describing) if describing else "give it a 'describe'"
            whom = f"The type {type_name!r} asks" if type_name else "No type of these files asks"
            raise Invalid("record-unasked", f"{whom} for no values; {there_are}.", type=type_name)
        for name, text in values.items():
            known = {field for each in asked for field in properties(each)}
            if name not in known:
                guess = nearest(name, known)
                hint = f"; did you mean {guess!r}?" if guess else f"; there is {', '.join(sorted(known))}."
                raise Invalid("record-unknown", f"No type of these files asks for {name!r}{hint}", field=name)
            _require_fitting(name, text, [properties(each)[name] for each in asked if name in properties(each)])


def properties(type_: FileType) -> Mapping[str, Any]:
    """Give the schemas of the values that a type asks for, by their names."""
    found: Any = (type_.describe or {}).get("properties")
    return found if isinstance(found, dict) else {}


def described(type_: FileType, beside: Iterable[Beside], given: Given | None) -> tuple[dict[str, Said], list[Finding]]:
    """Gather what is said of a file: in sample sheets, then in sidecar files, then by a person; the last word counts.

    What is wrong with it by the type's schema is told as findings, a value that is required and missing, too.
    """
    said: dict[str, Said] = {}
    findings: list[Finding] = []
    asked = properties(type_)
    for each in beside:
        if each.row is not None:
            origin = f"{each.file.path}, row {each.row.number}"
            said |= {
                name: Said(text, origin, text=True) for name, text in each.row.values.items() if name in asked and text
            }
    for each in beside:
        if each.row is None:
            try:
                values = read_sidecar(each.file.absolute)
            except Invalid as error:
                findings.append(Finding("sidecar-unreadable", error.message, file=each.file.path))
                continue
            said |= {name: Said(value, each.file.path) for name, value in values.items()}
    said |= given.of(type_.type) if given else {}
    said = {name: _cast(each, asked.get(name)) for name, each in said.items()}
    return said, findings + _findings(type_, said)


def judged_with(judgement: Judgement, beside: Sequence[Beside], given: Given | None) -> Judgement:
    """Add to a judgement what is said of the file; an error in it refuses the file."""
    type_ = judgement.type
    if type_ is None or type_.describe is None:
        return judgement
    said, findings = described(type_, beside, given)
    judgement = replace(judgement, described=document(said))
    for each in findings:
        if each.severity is Severity.ERROR:
            judgement = refusal(judgement, each)
        else:
            counts = Counter(judgement.counts) + Counter([each.code])
            judgement = replace(judgement, findings=(*judgement.findings, each)[:SHOWN], counts=dict(counts))
    return judgement


def with_given(
    type_: FileType | None, before: Mapping[str, Mapping[str, Any]], given: Given
) -> dict[str, dict[str, Any]]:
    """Add to what a receipt keeps what a person says by now; a value that its type does not allow is `Invalid`."""
    require_known(given, [type_] if type_ else [])
    assert type_ is not None
    asked = properties(type_)
    said = {name: _cast(each, asked.get(name)) for name, each in given.of(type_.type).items()}
    return {**{name: dict(each) for name, each in before.items()}, **document(said)}


def document(said: Mapping[str, Said]) -> dict[str, dict[str, Any]]:
    """Give the values with their origins as a receipt keeps them."""
    return {name: {"value": each.value, "origin": each.origin} for name, each in said.items()}


def _findings(type_: FileType, said: Mapping[str, Said]) -> list[Finding]:
    asked = properties(type_)
    findings: list[Finding] = []
    for name in (type_.describe or {}).get("required", ()):
        if name not in said:
            text = f"{_titled(name, asked)} is not said. {_HOW.format(name=name)}"
            findings.append(Finding("description-missing", text, field=name))
    values = {name: each.value for name, each in said.items()}
    for error in validator(type_).iter_errors(values):
        name = str(error.instance_path[0]) if error.instance_path else ""
        if not name and error.schema_path[-1:] == ["required"]:
            continue
        origin = f" ({said[name].origin})" if name in said else ""
        text = f"{_titled(name, asked) if name else 'What is said of the file'}{origin} is refused: {error.message}."
        value = str(values[name]) if name in values else None
        findings.append(Finding("description-refused", text, field=name or None, value=value))
    for name, each in said.items():
        if asked and name not in asked and (guess := nearest(name, asked)):
            text = f"{each.origin} says {name!r}, for which the type {type_.type} does not ask; is it {guess!r}?"
            findings.append(Finding("description-unknown", text, Severity.WARNING, field=name))
    return findings


_HOW = (
    "Say it with --record {name}=VALUE, in a file of the same name with .yaml or .json behind it, or in a column "
    "{name} of the sample sheet."
)


def _titled(name: str, asked: Mapping[str, Any]) -> str:
    title = asked[name].get("title") if isinstance(asked.get(name), dict) else None
    return f"{title} ({name})" if title else name


def _cast(said: Said, schema: Any) -> Said:
    return Said(value_of(said.value, schema), said.origin) if said.text else said


def _require_fitting(name: str, text: str, schemas: Sequence[Any]) -> None:
    reasons: list[str] = []
    for schema in schemas:
        errors = list(_validator(canonical(schema).decode()).iter_errors(value_of(text, schema)))
        if not errors:
            return
        reasons.append(errors[0].message)
    raise Invalid("record-refused", f"{name}={text} is refused: {reasons[0]}.", field=name, value=text)


def validator(type_: FileType) -> jsonschema_rs.Draft202012Validator:
    """Give what checks the values of a type."""
    return _validator(canonical(type_.describe or {}).decode())


@lru_cache(maxsize=256)
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(schema), retriever=_refuse_to_fetch)


def _refuse_to_fetch(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")
