"""A record type: the schema of a described thing."""

from typing import Any, Literal

from pydantic import Field as Setting

from aliquot.model.definition import Definition, Name
from aliquot.model.reference import DEFAULT_PROJECT


class RecordType(Definition):
    """A kind of record, such as a study, sample or measurement."""

    record: Name
    """The name of the kind."""
    title: str = ""
    """What people call it."""
    project: Name = DEFAULT_PROJECT
    """The project that it belongs to: one of `projects` in aliquot.yaml."""
    parent: Name | None = None
    """The record type of which every such record belongs to one."""
    describes: Literal["dataset", "version", "file", "nothing"] = "nothing"
    """What such a record says something about."""
    schema_: dict[str, Any] = Setting(alias="schema")
    """JSON Schema of the record's fields."""
