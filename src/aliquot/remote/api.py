"""A lab on a server from Python: `aliquot.connect`, with the pipelines, runs and datasets that `aliquot.Lab` has.

Whatever is given is a plain model of the same class as there. Errors are the five families of `aliquot.model.errors`.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aliquot.datasets.history import VersionLine
from aliquot.datasets.read import Version
from aliquot.intake.decided import Taken
from aliquot.lab.api_files import FileSet
from aliquot.model.pipeline import Pipeline as Definition
from aliquot.model.reference import LATEST, Reference, require_name
from aliquot.remote import datasets, pipelines, runs
from aliquot.remote.api_files import checkout_of
from aliquot.remote.api_run import Run
from aliquot.remote.client import Client
from aliquot.remote.credentials import origin_of, token_for
from aliquot.remote.uploads import ingest


def connect(url: str, token: str | None = None) -> "Lab":
    """Connect to a lab's server, with a token: by default that of ALIQUOT_TOKEN, or the one that `aliquot login` kept.

    Nothing is asked of the server until something is asked of the lab. Use it in a `with`, or `close` it.
    """
    origin = origin_of(url)
    return Lab(Client(origin, token_for(origin) if token is None else token, notice=_warn))


class Lab:
    """A lab on a server: the way to its pipelines, runs and datasets."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"connect({self._client.origin!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Give the server's address."""
        return self._client.origin

    def pipeline(self, name: str) -> "Pipeline":
        """Give an applied pipeline, or `Missing`."""
        pipelines.applied(self._client, name)
        return Pipeline(self._client, name)

    def pipelines(self) -> list["Pipeline"]:
        """List the applied pipelines."""
        return [Pipeline(self._client, each.pipeline) for each in pipelines.pipelines(self._client)]

    def run(self, number: int) -> Run:
        """Give a run by its number, or `Missing`."""
        run = Run(self._client, number)
        run.state  # noqa: B018  # asked for, so that a run that is not there is told here
        return run

    def dataset(self, name: str) -> "Dataset":
        """Give a dataset by its name, whether it has a version yet or not."""
        return Dataset(self._client, name)

    def datasets(self) -> list["Dataset"]:
        """List the datasets that have a version."""
        return [Dataset(self._client, each.name) for each in datasets.datasets(self._client)]

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """An applied pipeline. `definition` is looked up each time."""

    _client: Client = field(repr=False)
    name: str

    @property
    def definition(self) -> Definition:
        """Give the pipeline as it is applied now."""
        return pipelines.applied(self._client, self.name).pipeline

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        *,
        publish: bool = False,
    ) -> Run:
        """Start a run; its work is done where the lab is.

        `inputs` binds inputs to other versions, as `dataset@version`. Values that the pipeline refuses are `Invalid`.
        """
        number = runs.start(self._client, self.name, parameters or {}, inputs or {}, publish=publish)
        return Run(self._client, number)


class Dataset:
    """A named line of files."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = require_name("dataset", name)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    def versions(self) -> list[VersionLine]:
        """List the versions, newest first; `Missing` when there is no such dataset."""
        return datasets.log(self._client, self.name)[0]

    def version(self, version: int | str = LATEST) -> Version:
        """Give one version by its number or tag, the newest by default; `Missing` says what there is."""
        return datasets.resolve(self._client, Reference(self.name, str(version)))

    def files(self, version: int | str = LATEST, below: str | None = None) -> FileSet:
        """Give the files of a version, or those of one folder in it."""
        of, listed = datasets.files(self._client, Reference(self.name, str(version), below))
        checkout = checkout_of(lambda file: datasets.content(self._client, of, file.path))
        return FileSet(checkout, {each.path: each for each in listed})

    def ingest(self, *paths: str | Path, type: str | None = None, unchecked: bool = False) -> Taken:  # noqa: A002  # as the command's option
        """Take files in, or folders with what is below them, checked as `aliquot ingest` does.

        What its check refuses is in `quarantined` of the answer, not an error.
        """
        places = [Path(each) for each in paths]
        return ingest(self._client, self.name, places, type_=type, unchecked=unchecked)[0]


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)
