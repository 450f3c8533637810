"""The lab from Python: `aliquot.Lab`, with its pipelines, runs and datasets.

Everything here opens what it needs when it needs it. Errors are the five families of `aliquot.model.errors`.
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from aliquot.definitions.difference import Change
from aliquot.engine.pipelines import all_current, current
from aliquot.engine.start import Order
from aliquot.lab import acts_run, definitions
from aliquot.lab.api_dataset import Dataset
from aliquot.lab.api_run import Run
from aliquot.lab.lab import Lab as Parts
from aliquot.lab.lab import open_lab
from aliquot.model.pipeline import Pipeline as Definition


class Lab:
    """A lab in a folder: the way to its pipelines, runs and datasets. Use it in a `with`, or `close` it.

    Without a folder it is the lab that the command line would work with: ALIQUOT_LAB, or the one around here.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        _log_quietly()
        self._parts = open_lab(Path(folder) if folder is not None else None)

    def __repr__(self) -> str:
        return f"Lab({str(self.folder)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Give the lab's folder."""
        return self._parts.folder

    def apply(self, *, dry_run: bool = False) -> list[Change]:
        """Register what changed in the lab's folder, or only say what would; mistakes are `Invalid`, all together."""
        return definitions.apply(self._parts, dry_run=dry_run)

    def pipeline(self, name: str) -> "Pipeline":
        """Give an applied pipeline, or `Missing`."""
        with self._parts.catalogue.read() as connection:
            current(connection, name)
        return Pipeline(self._parts, name)

    def pipelines(self) -> list["Pipeline"]:
        """List the applied pipelines."""
        with self._parts.catalogue.read() as connection:
            return [Pipeline(self._parts, each.pipeline.pipeline) for each in all_current(connection)]

    def run(self, number: int) -> Run:
        """Give a run by its number, or `Missing`."""
        run = Run(self._parts, number)
        run.state  # noqa: B018  # asked for, so that a run that is not there is told here
        return run

    def dataset(self, name: str) -> Dataset:
        """Give a dataset by its name, whether it has a version yet or not."""
        return Dataset(self._parts, name)

    def datasets(self) -> list[Dataset]:
        """List the datasets that have a version."""
        from aliquot.datasets.history import datasets

        with self._parts.catalogue.read() as connection:
            return [Dataset(self._parts, each.name) for each in datasets(connection)]

    def close(self) -> None:
        """Let go of the catalogue, the store and everything that runs here."""
        self._parts.close()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """An applied pipeline. `definition` is looked up each time: `Lab.apply` may have changed it."""

    _parts: Parts = field(repr=False)
    name: str

    @property
    def definition(self) -> Definition:
        """Give the pipeline as it is applied now."""
        with self._parts.catalogue.read() as connection:
            return current(connection, self.name).pipeline

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        *,
        publish: bool = False,
    ) -> Run:
        """Start a run; its work is done by an `aliquot up`, or here while somebody waits for it.

        `inputs` binds inputs to other versions, as `dataset@version`. Values that the pipeline refuses are `Invalid`.
        """

        def work(connection: Any) -> int:
            order = Order(
                current(connection, self.name), dict(parameters or {}), dict(inputs or {}), publish=publish,
                who=self._parts.who,
            )  # fmt: skip
            return acts_run.start(connection, self._parts.by, order)

        return Run(self._parts, self._parts.catalogue.repeat(work))


def _log_quietly() -> None:
    """Log warnings and worse on standard error, unless the program has said how it wants its log."""
    if not structlog.is_configured():
        # The default would print the local variables of each frame, and secrets are among them.
        written = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
                written,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
