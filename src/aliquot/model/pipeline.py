"""A pipeline: what can be run."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, WithJsonSchema, model_validator
from pydantic import Field as Setting

from aliquot.model.definition import Definition, Name, also_written
from aliquot.model.ensure import Ensure
from aliquot.model.function import FUNCTION, module_file, require_function
from aliquot.model.inputs import Combination, Inputs, StepInput, combination, flat
from aliquot.model.quantity import Bytes, Seconds
from aliquot.model.reference import DEFAULT_PROJECT
from aliquot.model.retry import Retry
from aliquot.model.schedule import MOST_PRIORITY, RunLimit, Schedule
from aliquot.model.table_schema import TableSchema

Function = Annotated[str, AfterValidator(require_function), WithJsonSchema({"type": "string", "pattern": FUNCTION})]
"""A function of a module of the lab's folder."""

NO_COMMAND = (
    "'command' is missing; a step has a command, or a Python function under 'python', or 'ensure' that checks its input"
)

_OF_WHAT_RUNS = ("image", "parameters", "bundle", "exports", "network")


class PipelineInput(Definition):
    """An input that a site may bind to another dataset without touching the rest."""

    dataset: Name
    """The dataset that is bound to the input unless a run binds another."""
    title: str = ""
    """What people call it."""


AUTO = "auto"
"""What `resources` says to leave an amount to what similar datums needed."""


class StepResources(Definition):
    """What a task of this step may use; `resources: auto` leaves memory and processors to what similar ones needed."""

    model_config = ConfigDict(json_schema_extra=also_written({"const": AUTO}))

    cpus: Literal["auto"] | Annotated[float, Setting(gt=0)] = 1.0
    """Processors, a share of one is allowed; or `auto`."""
    memory: Literal["auto"] | Bytes | None = None
    """Memory, such as 4GiB; or `auto`."""
    disk: Bytes | None = None
    """Disk, such as 20GiB."""
    time: Seconds | None = None
    """Wall time, such as 1h."""

    @model_validator(mode="before")
    @classmethod
    def _auto_is_for_what_is_learnt(cls, value: Any) -> Any:
        return {"cpus": AUTO, "memory": AUTO} if value == AUTO else value

    @property
    def learns(self) -> bool:
        """Say whether an amount is left to what similar datums needed."""
        return AUTO in {self.cpus, self.memory}


class Allow(Definition):
    """How many datums may be parked: a number, or a share written `5%`."""

    allow: str | int
    """The number, or the share of all datums of the step."""

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
    """What people call it."""
    image: str | None = None
    """The container image, best with its digest; absent: the executor's own environment."""
    taken: Inputs = Setting(default_factory=Inputs, alias="inputs")
    """What the command reads, by name; several inputs give their cross product, or what the four words say; without
    inputs, a step has one datum."""
    when: str | None = None
    """JMESPath over parameters and exports that reach a datum: where it gives nothing or false, it is left out."""
    command: str | list[str] = ""
    """A text for `sh -c`, or a list that runs without a shell, in which `$NAME` becomes the value."""
    python: Function | None = None
    """A Python function in place of a command, as `module:function`; its module is a file of the lab's folder."""
    parameters: list[str] | None = None
    """The parameters that enter this step's key; without this line, all do."""
    bundle: list[str] = Setting(default=[])
    """Files and folders of the lab that travel with the pipeline's version, found under `$BUNDLE`."""
    resources: StepResources = StepResources()
    """What a task may use."""
    retry: Retry = Retry()
    """When a failed attempt is made again."""
    failures: Literal["park", "stop"] | Allow = "park"
    """Park a failed datum and go on, stop the run, or allow so many parked datums."""
    exports: dict[str, str] = Setting(default={})
    """JMESPath into `out/exports.json` by name: environment values for later steps."""
    ensure: list[Ensure] = Setting(default=[])
    """What the files that it gives must be; a task whose files are not has failed, and nobody sees them."""
    network: bool = False
    """Whether the command may reach the network."""
    pool: Name | None = None
    """A pool of `aliquot.yaml`, whose limit holds for the tasks of all runs together."""

    @model_validator(mode="after")
    def _takes_something(self) -> "Step":
        if "taken" in self.model_fields_set and not self.inputs:
            raise ValueError("'inputs' is empty; name one, or leave the key out for a step without inputs")
        return self

    @model_validator(mode="after")
    def _memory_is_learnt_by_failing(self) -> "Step":
        on = self.retry.on
        if self.resources.memory != AUTO or "oom" in on:
            return self
        more = {**on, "oom": self.retry.attempts} if isinstance(on, dict) else [*on, "oom"]
        return self.model_copy(update={"retry": self.retry.model_copy(update={"on": more})})

    @cached_property
    def inputs(self) -> Mapping[str, StepInput]:
        """Every input by its name, wherever it stands, in the order of writing."""
        inputs: dict[str, StepInput] = {}
        for _, name, given in flat(self.taken):
            inputs.setdefault(name, given)
        return inputs

    @cached_property
    def combination(self) -> Combination:
        """How the step's datums are made of its inputs."""
        return combination(self.taken)

    @model_validator(mode="after")
    def _one_thing_to_run(self) -> "Step":
        if self.python is not None and "command" in self.model_fields_set:
            raise ValueError("'python' and 'command' both say what to run; keep one of them")
        if self.python is not None and self.image is not None:
            raise ValueError(
                "'python' runs in the lab's own Python, not in an image; remove 'image', or write the step as a command"
            )
        if not self.only_checks:
            return self
        if not self.ensure:
            raise ValueError(NO_COMMAND)
        if len(self.inputs) != 1:
            raise ValueError("'ensure' without a command checks the files of one input and passes them on; give it one")
        for key in _OF_WHAT_RUNS:
            if key in self.model_fields_set:
                raise ValueError(f"'{key}' has no meaning in a step without a command; remove it")
        return self

    @property
    def only_checks(self) -> bool:
        """Say whether it runs nothing, but checks the files of its input and passes them on."""
        return self.python is None and "command" not in self.model_fields_set

    @property
    def bundled(self) -> list[str]:
        """Give the files and folders that travel with the step: what it names, and the module of its function."""
        return [*self.bundle, module_file(self.python)] if self.python else self.bundle


class Output(Definition):
    """A step's files as an output of the run; with `publish` they become the next version of that dataset."""

    from_: str = Setting(alias="from")
    """The step whose files they are."""
    publish: Name | None = None
    """The dataset whose next version they become."""


class Table(Definition):
    """A table of the hub that is loaded from a step's files."""

    from_: str = Setting(alias="from")
    """The step whose files are loaded."""
    glob: str = "/**"
    """Which of its files."""
    mode: Literal["append", "upsert", "replace"] = "append"
    """Add rows, replace rows of equal key, or replace the whole table."""
    key: list[str] = Setting(default=[])
    """The columns by which rows are replaced."""
    type: Name | None = None
    """A file type whose Table Schema gives the columns; without it, the type that recognises the file."""
    schema_: TableSchema | None = Setting(default=None, alias="schema")
    """The columns, when no file type gives them: Frictionless Table Schema v2."""
    accept_schema_change: bool = False
    """Add columns and widen the table when the schema has changed, instead of refusing the load."""

    @model_validator(mode="after")
    def _upsert_needs_a_key(self) -> "Table":
        if self.mode == "upsert" and not self.key:
            raise ValueError("'mode: upsert' needs 'key', the columns by which rows are replaced")
        return self


class Trigger(Definition):
    """What starts a run by itself."""

    model_config = ConfigDict(json_schema_extra=also_written({"const": "manual"}))

    new_version: list[str] = Setting(default=[])
    """Datasets of the inputs whose new versions start a run."""
    schedule: Schedule | None = None
    """Times as cron writes them, such as `0 2 * * *`."""

    @model_validator(mode="before")
    @classmethod
    def _manual_is_no_trigger(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "manual":
            raise ValueError("write manual, or a mapping with 'new_version' or 'schedule'")
        return {} if value == "manual" else value


class Pipeline(Definition):
    """A graph of steps with typed parameters. References between its parts are checked by `definitions`."""

    pipeline: Name
    """The name by which it is run."""
    title: str = ""
    """What people call it."""
    description: str = ""
    """What it is for."""
    project: Name = DEFAULT_PROJECT
    """The project of the pipeline, its runs and the datasets that it makes: one of `projects` in aliquot.yaml."""
    parameters: dict[str, dict[str, Any]] = Setting(default={})
    """Typed values that a person may set, each a JSON Schema: forms, flags and checks follow from it."""
    inputs: dict[str, PipelineInput] = Setting(default={})
    """The datasets that it works on."""
    steps: dict[Name, Step] = Setting(min_length=1)
    """Its commands."""
    outputs: dict[Name, Output] = Setting(default={})
    """What of the steps' files is kept as the run's outputs."""
    tables: dict[str, Table] = Setting(default={})
    """Tables of the hub that are loaded from the steps' files."""
    trigger: Trigger = Trigger()
    """What starts a run by itself; without it, people do."""
    runs: RunLimit | None = None
    """How many of its runs may be under way at a time; without it, any number."""
    priority: int = Setting(default=0, ge=-MOST_PRIORITY, le=MOST_PRIORITY)
    """Tasks of runs with a higher number start first."""
    deadline: Seconds | None = Setting(default=None, gt=0)
    """How long a run may take, such as 6h; it is ended when it takes longer."""

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
