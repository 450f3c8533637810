"""A file type: how a kind of file is recognised and checked."""

from typing import Any, Literal

from pydantic import Field as Setting
from pydantic import model_validator

from aliquot.model.definition import Definition, Name
from aliquot.model.reference import DEFAULT_PROJECT
from aliquot.model.row_rule import RowRule
from aliquot.model.table_schema import TableSchema


class Recognise(Definition):
    """What a file must be like to be of this type; all that is said must hold."""

    name: str | None = None
    """A glob over the file's name, such as `*.csv`."""
    path: str | None = None
    """A glob over the path below the source, such as `/plates/**`."""
    columns: list[str] | None = None
    """Columns that the table's header must have."""
    magic: str | None = None
    """The first bytes, in hexadecimal."""
    root: str | None = None
    """The local name of the XML document's root element."""
    extension: str | None = None
    """What the name ends in, such as `.csv`, in upper or lower case."""
    json_: list[str] | None = Setting(default=None, alias="json")
    """Keys that a JSON object must have, or the first one of a list or of JSON lines."""
    first: str | None = None
    """A regular expression that the first line must begin with."""


class FileType(Definition):
    """A kind of file."""

    type: Name
    """The name by which sources and pipelines refer to it."""
    title: str = ""
    """What people call it."""
    project: Name = DEFAULT_PROJECT
    """The project that it belongs to: one of `projects` in aliquot.yaml."""
    recognise: Recognise
    """What a file must be like; name and content, not name alone."""
    format: Literal["table", "imzml", "mzml", "fastq", "bam", "vcf", "archive", "any"] = "any"
    """What the content means, and so which checks it gets."""
    table: TableSchema | None = None
    """The columns of a table: Frictionless Table Schema v2."""
    rules: list[RowRule] = Setting(default=[])
    """Rules across the columns of a table, such as `paid <= charged`."""
    set: list[str] = Setting(default=[])
    """Files that belong together, such as `["{name}.imzML", "{name}.ibd"]`; the first is the one that is recognised."""
    describe: dict[str, Any] | None = None
    """JSON Schema of the acquisition metadata that a person, sidecar or sample sheet supplies."""
    unpack: bool = False
    """Take an archive's members into the dataset, in a folder of the archive's name, in place of the archive."""
    on_invalid: Literal["refuse", "split"] = "refuse"
    """Refuse a file with errors, or let its valid rows go on and put the refused rows into quarantine."""

    @property
    def refers_to(self) -> list[str]:
        """List the datasets to which foreign keys of the table point."""
        keys = self.table.foreign_keys if self.table else []
        return list(dict.fromkeys(key.reference.resource for key in keys if key.reference.resource))

    @model_validator(mode="after")
    def _fits_together(self) -> "FileType":
        if self.table is not None and self.format != "table":
            raise ValueError(f"'table' needs 'format: table', but the format is {self.format!r}")
        if self.unpack and self.format != "archive":
            raise ValueError(f"'unpack' needs 'format: archive', but the format is {self.format!r}")
        if self.on_invalid == "split" and self.table is None:
            raise ValueError("'on_invalid: split' needs rows to split: give 'format: table' and 'table'")
        if self.rules and self.table is None:
            raise ValueError("'rules' needs columns to compare: give 'format: table' and 'table'")
        if not any(getattr(self.recognise, name) for name in Recognise.model_fields):
            known = ", ".join(each.alias or name for name, each in Recognise.model_fields.items())
            raise ValueError(f"'recognise' says nothing: give at least one of {known}")
        return self
