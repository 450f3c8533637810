"""A pipeline: what can be run."""

from typing import Any, Literal

from pydantic import Field as Setting
from pydantic import model_validator

from aliquot.model.definition import Definition, Name
from aliquot.model.quantity import Bytes, Seconds
from aliquot.model.table_schema import TableSchema
from aliquot.model.task import Cause

RetryCause = Literal["user", "oom", "lost", "timeout", "ours"]


class PipelineInput(Definition):
    """An input that a site may bind to another dataset without touching the rest."""

    dataset: Name
    title: str = ""


class StepInput(Definition):
    """What a step takes from a pipeline's input or from another step, and how it makes datums of it."""

    from_: str = Setting(alias="from")
    glob: str = "/"
    group_by: str | None = None


class StepResources(Definition):
    """What a task of this step may use."""

    cpus: float = Setting(default=1.0, gt=0)
    memory: Bytes | None = None
    disk: Bytes | None = None
    time: Seconds | None = None


class Retry(Definition):
    """When a failed attempt is made again: on which causes, how often in all, after how long."""

    attempts: int = Setting(default=3, ge=1, le=100)
    on: list[RetryCause] = Setting(default=["lost", "ours"])
    memory_growth: float = Setting(default=1.0, ge=1)
    backoff: Seconds = 1.0


class Allow(Definition):
    """How many datums may be parked: a number, or a share written `5%`."""

    allow: str | int

    @model_validator(mode="after")
    def _a_number_or_a_share(self) -> "Allow":
        text = str(self.allow).removesuffix("%")
        if not text.replace(".", "", 1).isdigit() or ("." in text and not str(self.allow).endswith("%")):
            raise ValueError("'allow' takes a number of datums or a share, like 3 or 5%")
        return self

    def limit(self, datums: int) -> float:
        """Give how many of so many datums may be parked."""
        text = str(self.allow)
        return float(text.removesuffix("%")) / 100 * datums if text.endswith("%") else float(text)


class Step(Definition):
    """One command of a pipeline."""

    title: str = ""
    image: str | None = None
    inputs: dict[str, StepInput] = Setting(min_length=1)
    command: str | list[str]
    parameters: list[str] | None = None
    bundle: list[str] = Setting(default=[])
    resources: StepResources = StepResources()
    retry: Retry = Retry()
    failures: Literal["park", "stop"] | Allow = "park"
    exports: dict[str, str] = Setting(default={})
    network: bool = False


class Output(Definition):
    """A step's files as an output of the run; with `publish` they become the next version of that dataset."""

    from_: str = Setting(alias="from")
    publish: Name | None = None


class Table(Definition):
    """A table of the hub that is loaded from a step's files."""

    from_: str = Setting(alias="from")
    glob: str = "/**"
    mode: Literal["append", "upsert", "replace"] = "append"
    key: list[str] = Setting(default=[])
    type: Name | None = None
    """A file type whose Table Schema gives the columns; without it, the first type that recognises the file."""
    schema_: TableSchema | None = Setting(default=None, alias="schema")
    accept_schema_change: bool = False
    """Add columns and widen the table when the schema has changed, instead of refusing the load."""

    @model_validator(mode="after")
    def _upsert_needs_a_key(self) -> "Table":
        if self.mode == "upsert" and not self.key:
            raise ValueError("'mode: upsert' needs 'key', the columns by which rows are replaced")
        return self


class Trigger(Definition):
    """What starts a run by itself."""

    new_version: list[str] = Setting(default=[])
    schedule: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _manual_is_no_trigger(cls, value: Any) -> Any:
        return {} if value == "manual" else value


class Pipeline(Definition):
    """A graph of steps with typed parameters. References between its parts are checked by `definitions`."""

    pipeline: Name
    title: str = ""
    description: str = ""
    parameters: dict[str, dict[str, Any]] = Setting(default={})
    inputs: dict[str, PipelineInput] = Setting(default={})
    steps: dict[Name, Step] = Setting(min_length=1)
    outputs: dict[Name, Output] = Setting(default={})
    tables: dict[str, Table] = Setting(default={})
    trigger: Trigger = Trigger()

    def order(self) -> list[str]:
        """Give the names of the steps, each after those that it takes files from."""
        done: list[str] = []
        waiting = dict(self.steps)
        while waiting:
            ready = [
                name for name, step in waiting.items() if all(i.from_ not in waiting for i in step.inputs.values())
            ]
            if not ready:
                raise ValueError(f"the steps {', '.join(waiting)} wait for each other in a circle")
            done += ready
            for name in ready:
                del waiting[name]
        return done


def parameter_schema(pipeline: Pipeline) -> dict[str, Any]:
    """Give the JSON Schema of a pipeline's parameter values."""
    return {"type": "object", "properties": pipeline.parameters, "additionalProperties": False}


RETRYABLE = frozenset({Cause.USER, Cause.OOM, Cause.LOST, Cause.TIMEOUT, Cause.OURS})
"""Causes that `retry: on` may name."""
