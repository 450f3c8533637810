"""The lab: what `aliquot.yaml` holds."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, field_validator, model_validator
from pydantic import Field as Setting

from aliquot.model.definition import Definition, Name, also_written
from aliquot.model.login import LoginSettings
from aliquot.model.quantity import Bytes, Seconds
from aliquot.model.reference import DEFAULT_PROJECT
from aliquot.model.schedule import Schedule

OPEN_SETTINGS = frozenset({
    "aws_endpoint", "aws_endpoint_url", "aws_region", "aws_default_region", "aws_virtual_hosted_style_request",
    "aws_skip_signature", "aws_request_payer", "aws_s3_express", "azure_storage_account_name", "azure_storage_endpoint",
    "azure_endpoint", "azure_skip_signature", "azure_use_fabric_endpoint", "google_base_url",
    "google_skip_signature",
})  # fmt: skip
"""Settings of a bucket's client that say where it is, and let nobody in."""


class Manifest(Definition):
    """Files that name others, such as sample sheets and lists of checksums: `manifest: "*.md5"`, or a mapping."""

    model_config = ConfigDict(json_schema_extra=also_written({"type": "string", "examples": ["samples*.csv"]}))

    name: str
    """A glob over the names of such files."""
    files: list[str] = Setting(default=[])
    """Columns that hold names of files, or patterns that columns fill, such as `{sample}_R1.fastq.gz`."""
    checksums: list[str] = Setting(default=[])
    """Columns of checksums, in the order of `files`."""

    @model_validator(mode="before")
    @classmethod
    def _a_text_is_a_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> "Manifest":
        if len(self.checksums) > len(self.files) > 0:
            raise ValueError("'checksums' has more columns than 'files'")
        return self


class Settled(Definition):
    """When a landing has finished arriving. `quiet` always holds beside the others."""

    quiet: Seconds = 2.0
    """For how long a file must not have changed."""
    marker: str | None = None
    """A file that says "complete": `{path}.done` beside each file, or `{folder}/DONE` for all that is in a folder."""
    set: list[str] = Setting(default=[])
    """Files that belong together: `["{name}.imzML", "{name}.ibd"]`."""
    count: int | None = Setting(default=None, ge=1)
    """A folder has arrived when it holds so many files."""
    manifest: Manifest | None = None
    """Files have arrived when a manifest beside or above them names them, and all that it names are there."""
    give_up: Seconds | None = None
    """After so long without its others, what waits for them goes to quarantine; when they come, it is taken in."""


class Accept(Definition):
    """A rule of a source: files of this type go into this dataset."""

    type: Name
    """The file type that recognises the file."""
    into: Name
    """The dataset whose next version receives it."""


class Wake(Definition):
    """A queue of messages that something has arrived. They only say when to look, never what there is."""

    sqs: str | None = None
    """The URL of an SQS queue that gets a bucket's notifications: directly, through SNS or through EventBridge."""
    azure_queue: str | None = None
    """The URL of an Azure storage queue that gets Event Grid's messages about a container."""

    @model_validator(mode="after")
    def _one_queue(self) -> "Wake":
        if (self.sqs is None) == (self.azure_queue is None):
            raise ValueError("give either 'sqs' or 'azure_queue'")
        return self


class Source(Definition):
    """Where files come from."""

    watch: str
    """The folder or bucket in which files land: a path from the lab on, s3://, az:// or gs:// with a prefix."""
    settled: Settled = Settled()
    """When a file has finished arriving."""
    accept: list[Accept] = Setting(min_length=1)
    """Of several types that recognise a file, the one that asks for more wins; what none does goes to quarantine."""
    after: Literal["keep", "archive", "delete"] = "keep"
    """What becomes of the file at the source, once it is safe."""
    project: Name = DEFAULT_PROJECT
    """The project of what comes from here, and of the datasets that it makes: one of `projects`."""
    ignore: list[str] = Setting(default=[])
    """Globs over file names that are never looked at, such as `*.tmp`."""
    since: str | None = None
    """How far back to go where files lay before: `all`, `now`, or a date such as 2026-01-31. A bucket must say it."""
    interval: Seconds | None = Setting(default=None, gt=0)
    """How long it may take at most until the source is looked at again; 5s for a folder, 60s for a bucket."""
    schedule: Schedule | None = None
    """Times at which the source is looked at, as cron writes them; without, it is always."""
    wake: Wake | None = None
    """A queue whose messages say that something has arrived, so that the source is looked at then."""
    adopt: bool = False
    """Leave large files where they lie and only note where that is, instead of copying them into the store."""
    settings: dict[str, str] = Setting(default={})
    """Settings of a bucket's client, such as `aws_endpoint`; by default those of the environment."""

    @field_validator("since")
    @classmethod
    def _since_is_known(cls, value: str | None) -> str | None:
        if value not in {None, "all", "now"}:
            try:
                datetime.fromisoformat(value or "")
            except ValueError:
                raise ValueError(f"{value!r} is no time; write all, now, or a date such as 2026-01-31") from None
        return value

    @model_validator(mode="after")
    def _what_is_adopted_stays(self) -> "Source":
        if self.adopt and self.after != "keep":
            raise ValueError(f"'adopt' leaves files where they lie, so that 'after: {self.after}' would lose them")
        for name in self.settings if self.adopt else ():
            if name.lower() not in OPEN_SETTINGS:
                raise ValueError(
                    f"'adopt' has files read by whoever needs them later, with credentials of the environment: give "
                    f"{name!r} there, not here"
                )
        return self


class ExecutorSettings(Definition):
    """Where tasks run: `executor: process`, or a mapping with settings."""

    model_config = ConfigDict(json_schema_extra=also_written({"enum": ["process", "container"]}))

    kind: Literal["process", "container"] = "process"
    """As processes of this machine, or in containers."""
    workers: int | None = Setting(default=None, ge=1)
    """Tasks at once; by default as many as there are processors."""
    runtime: Literal["podman", "docker"] | None = None
    """The command that runs containers; by default the one that is there."""
    path: str | None = None
    """PATH of process steps; by default the interpreter's own folder and the system's."""

    @model_validator(mode="before")
    @classmethod
    def _a_word_is_a_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class VaultSettings(Definition):
    """A place where secrets are kept: a folder of files that only their owner may read, or environment variables."""

    folder: str | None = None
    """The folder, from the lab's own; each file is a secret."""
    environment: str | None = None
    """What the names of the environment variables begin with, such as `ALIQUOT_`."""

    @model_validator(mode="after")
    def _one_place(self) -> "VaultSettings":
        if (self.folder is None) == (self.environment is None):
            raise ValueError("a vault is either 'folder' or 'environment'; give one of them")
        return self


Span = Literal["forever"] | Seconds
"""For how long something is kept."""


class Retention(Definition):
    """For how long runs keep what they made, before `aliquot sweep` may remove it. Versions always stay."""

    runs: Span = 90 * 86_400.0
    """Outputs of runs that were not published: from the end of the last run that gave them."""
    intermediates: Span = 7 * 86_400.0
    """Files that one step makes for another: from when the last step that reads them is done."""
    logs: Span = 30 * 86_400.0
    """What commands wrote to stdout and stderr: from the end of the run; the last lines stay."""
    previews: Span = 30 * 86_400.0
    """What is kept of files to show them quickly: from when somebody last looked; it is made again when needed."""
    grace: Seconds = Setting(default=86_400.0, ge=300)
    """How long bytes stay once `sweep` found that nothing needs them: longer than storing any file takes."""


class Approvals(Definition):
    """What a second person has to sign before it is done."""

    quarantine_release: bool = Setting(default=False, alias="quarantine.release")
    """Releasing files from quarantine."""
    pipeline_publish: bool = Setting(default=False, alias="pipeline.publish")
    """Registering pipelines, file types and record types."""


class UploadSettings(Definition):
    """What people may send through pages and the API."""

    largest: Bytes = 100 * 2**30
    """Bytes that one file may have."""
    keep: Seconds = Setting(default=7 * 86_400.0, ge=3_600)
    """How long an upload waits that nobody goes on with."""


class LabConfig(Definition):
    """The whole of `aliquot.yaml`."""

    lab: Name
    """The name of this deployment."""
    store: str = "./.aliquot/store"
    """Where bytes lie: a folder, or s3://, az:// or gs:// with a prefix."""
    catalogue: str = "sqlite:///.aliquot/catalogue.db"
    """The database of facts: sqlite:/// and a path, or postgresql://…"""
    hub: str = "sqlite:///hub.db"
    """The database that people query: sqlite:/// and a path, or postgresql://…"""
    hub_reader: str | None = None
    """The same PostgreSQL database under a role that may read its tables and nothing else: people's queries have it."""
    executor: ExecutorSettings = ExecutorSettings()
    """Where tasks run."""
    pools: dict[Name, Annotated[int, Setting(ge=1)]] = Setting(default={})
    """What steps share, by name: at most so many tasks of a pool are under way at once, over all runs and hosts."""
    vaults: dict[Name, VaultSettings] = Setting({})
    """Where `${secret:vault/name}` is looked up."""
    sources: dict[Name, Source] = Setting(default={})
    """Where files come from."""
    retention: Retention = Retention()
    """For how long runs keep what they made, such as `{runs: 90d, intermediates: 7d, logs: 30d, previews: 30d,
    grace: 1d}`."""
    uploads: UploadSettings = UploadSettings()
    """What people may send through pages and the API, such as `{largest: 20GiB, keep: 2d}`."""
    projects: list[Name] = Setting(default=[])
    """What datasets, pipelines and records can belong to, beside the project `lab` of all that name none."""
    approvals: Approvals = Approvals()
    """What takes a second person's signature, such as `{quarantine.release: true}`."""
    login: LoginSettings = LoginSettings()
    """How people sign in, beside names and passwords."""
