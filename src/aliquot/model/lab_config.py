"""The lab: what `aliquot.yaml` holds."""

from typing import Any, Literal

from pydantic import Field as Setting
from pydantic import model_validator

from aliquot.model.definition import Definition, Name
from aliquot.model.quantity import Seconds


class Settled(Definition):
    """When a landing has finished arriving. `quiet` always holds beside the others."""

    quiet: Seconds = 2.0
    marker: str | None = None
    """A file that says "complete": `{path}.done`."""
    set: list[str] = Setting(default=[])
    """Files that belong together: `["{name}.imzML", "{name}.ibd"]`."""


class Accept(Definition):
    """A rule of a source: files of this type go into this dataset."""

    type: Name
    into: Name


class Source(Definition):
    """Where files come from."""

    watch: str
    settled: Settled = Settled()
    accept: list[Accept] = Setting(min_length=1)
    after: Literal["keep", "archive", "delete"] = "keep"
    ignore: list[str] = Setting(default=[])
    """Globs over file names that are never looked at, such as `*.tmp`."""


class ExecutorSettings(Definition):
    """Where tasks run: `executor: process`, or a mapping with settings."""

    kind: Literal["process", "container"] = "process"
    workers: int | None = Setting(default=None, ge=1)
    """Tasks at once; by default as many as there are processors."""
    runtime: Literal["podman", "docker"] | None = None
    path: str | None = None
    """PATH of process steps; by default the interpreter's own folder and the system's."""

    @model_validator(mode="before")
    @classmethod
    def _a_word_is_a_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class LabConfig(Definition):
    """The whole of `aliquot.yaml`."""

    lab: Name
    store: str = "./.aliquot/store"
    catalogue: str = "sqlite:///.aliquot/catalogue.db"
    hub: str = "sqlite:///hub.db"
    executor: ExecutorSettings = ExecutorSettings()
    sources: dict[Name, Source] = Setting(default={})
