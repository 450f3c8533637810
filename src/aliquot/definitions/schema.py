"""JSON Schemas of the files that people write, for editors."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from aliquot.definitions.known_keys import keys_of
from aliquot.definitions.problem import instead
from aliquot.model.definition import Definition
from aliquot.model.errors import Missing
from aliquot.model.file_type import FileType
from aliquot.model.lab_config import LabConfig, Source
from aliquot.model.pipeline import Pipeline
from aliquot.model.record_type import RecordType

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: dict[str, tuple[type[Definition], str]] = {
    "lab": (LabConfig, "A lab: aliquot.yaml"),
    "source": (Source, "A source of files, under 'sources' in aliquot.yaml"),
    "type": (FileType, "A file type: types/*.yaml"),
    "pipeline": (Pipeline, "A pipeline: pipelines/*.yaml"),
    "record": (RecordType, "A record type: records/*.yaml"),
}
_SCHEMAS_WITHIN = {("FileType", "describe"), ("RecordType", "schema"), ("Constraints", "jsonSchema")}
"""Fields that hold a JSON Schema themselves: an editor then helps inside them, too."""


def json_schema(kind: str) -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of lab, source, type, pipeline or record, with titles and descriptions."""
    if kind not in _MODELS:
        words = f"There is no kind of definition {kind!r}{instead(kind, list(_MODELS))}"
        raise Missing("definition-kind-unknown", words, kind=kind)
    model, title = _MODELS[kind]
    schema = model.model_json_schema(by_alias=True, mode="validation")
    models = {each.__name__: each for each in _within(model, set())}
    _describe(schema, model)
    for name, inner in schema.get("$defs", {}).items():
        _describe(inner, models[name])
    return {"$schema": _DIALECT, **schema, "title": title}


def _within(annotation: Any, seen: set[type]) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in seen:
            seen.add(annotation)
            yield annotation
            for each in keys_of(annotation).values():
                yield from _within(each, seen)
        return
    for each in get_args(annotation):
        yield from _within(each, seen)


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    texts = _field_texts(model)
    # A definition that can be written in a shorter form has its full form as the last choice.
    full: dict[str, Any] = schema if "properties" in schema else schema["anyOf"][-1]
    for name, field in model.model_fields.items():
        key = field.alias or name
        about: dict[str, Any] = full["properties"][key]
        about.pop("title", None)
        if name in texts:
            about["description"] = texts[name]
        if (model.__name__, key) in _SCHEMAS_WITHIN:
            about.pop("anyOf", None)
            about |= {"$ref": _DIALECT}
        if (model.__name__, key) == ("Pipeline", "parameters"):
            about["additionalProperties"] = {"$ref": _DIALECT}


def _field_texts(model: type[BaseModel]) -> dict[str, str]:
    """Read the texts that stand below the fields of a model."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    texts: dict[str, str] = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = inspect.cleandoc(text)
            case _:
                pass
    return texts
