"""A record type: the schema of a described thing."""

from typing import Any, Literal

from pydantic import Field as Setting

from aliquot.model.definition import Definition, Name


class RecordType(Definition):
    """A kind of record, such as a study, sample or measurement."""

    record: Name
    title: str = ""
    parent: Name | None = None
    describes: Literal["dataset", "version", "file", "nothing"] = "nothing"
    schema_: dict[str, Any] = Setting(alias="schema")
