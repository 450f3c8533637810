"""The open lab: builds the parts from the settings, each when it is first needed, and holds them."""

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aliquot.access.by import By, at_the_machine
from aliquot.blobs import Store, open_store
from aliquot.db import Catalogue, open_catalogue
from aliquot.definitions.read import LAB_FILE, read_config
from aliquot.lab.executors import Executors
from aliquot.model.errors import Missing
from aliquot.model.lab_config import LabConfig, Source
from aliquot.model.seams import Executor, Vault
from aliquot.secrets.resolve import open_vaults, resolve
from aliquot.secrets.secret import Secret

if TYPE_CHECKING:
    from aliquot.hub.hub import Hub
    from aliquot.lab.previews import Previews
    from aliquot.lab.uploads import Uploads

STATE = ".aliquot"
"""The folder below a lab's own in which everything is that people do not write."""


def find_folder(start: Path | None = None) -> Path:
    """Find the lab's folder: ALIQUOT_LAB, or the first one from here upwards that has an `aliquot.yaml`."""
    named = os.environ.get("ALIQUOT_LAB")
    if start is None and named:
        return Path(named).absolute()
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / LAB_FILE).is_file():
            return folder
    raise Missing(
        "lab-missing",
        f"There is no {LAB_FILE} in {here} or above it; change to a lab's folder, or make one with: aliquot init DIR",
        folder=str(here),
    )


def open_lab(folder: Path | None = None) -> "Lab":
    """Open the lab in a folder, or the one around the current folder."""
    return Lab(find_folder(folder) if folder is None else folder.absolute())


class Lab:
    """One deployment: its settings, and its catalogue, store, hub and executors, opened when first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: int | None = None
        """Tasks at once, where it is not to be what the settings say; to be set before anything runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def config(self) -> LabConfig:
        """Give the settings of `aliquot.yaml`."""
        return read_config(self.folder)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Give the sources, with references to the environment and to vaults in their folders resolved."""
        vaults = open_vaults(self.config.vaults, self.folder)
        return {
            name: _outside(source, vaults, f"{LAB_FILE}: sources.{name}")
            for name, source in self.config.sources.items()
        }

    @cached_property
    def catalogue(self) -> Catalogue:
        """Open the catalogue."""
        return open_catalogue(self._resolved("catalogue"), self.folder)

    @cached_property
    def store(self) -> Store:
        """Open the store."""
        return open_store(self._resolved("store"), self.folder)

    @cached_property
    def hub(self) -> "Hub":
        """Open the hub."""
        from aliquot.hub.hub import open_hub

        reader = "" if self.config.hub_reader is None else self._resolved("hub_reader")
        return open_hub(self._resolved("hub"), self.folder, reader)

    @cached_property
    def previews(self) -> "Previews":
        """Open the previews of stored files; with what lies in a bucket in a cache below the lab."""
        from aliquot.lab.previews import Previews

        return Previews(self.catalogue, self.store, self.folder / STATE / "previews")

    @cached_property
    def uploads(self) -> "Uploads":
        """Open the uploads: files on their way in over the network."""
        from aliquot.lab.uploads import Uploads

        return Uploads(self.folder / STATE / "uploads", self.config.uploads)

    @property
    def work(self) -> Path:
        """Give the folder in which executors work."""
        return self.folder / STATE / "work"

    @property
    def who(self) -> str:
        """Name the person at this machine, for receipts and traces."""
        return os.environ.get("ALIQUOT_USER") or getpass.getuser()

    @property
    def by(self) -> By:
        """Give the person at this machine, whom the file system has let into the lab's folder, for the audit."""
        return at_the_machine(self.who, f"{os.environ.get('USER') or os.getuid()}@{socket.gethostname()}")

    @property
    def executor_for(self) -> Callable[[str | None], Executor]:
        """Give the choice of an executor by a step's image: a step without one runs as a process."""
        return self._executors

    @property
    def executors_here(self) -> Callable[[], list[Executor]]:
        """Give what lists the executors that may have to go on with attempts of supervisors that are gone."""
        return self._executors.here

    def close(self) -> None:
        """End what still runs and let go of everything."""
        for name in ("_executors", "previews", "store", "catalogue"):
            if name in self.__dict__:
                self.__dict__[name].close()

    @cached_property
    def _executors(self) -> Executors:
        return self.executors_in(self.store, self.work)

    def executors_in(self, store: Store, work: Path) -> Executors:
        """Make executors over another store and in another folder than the lab's own; whoever asks closes them."""
        settings = self.config.executor
        if self.workers is not None:
            settings = settings.model_copy(update={"workers": self.workers})
        return Executors(settings, store, work)

    def _resolved(self, name: str) -> str:
        vaults = open_vaults(self.config.vaults, self.folder)
        value = resolve(getattr(self.config, name), vaults, where=f"{LAB_FILE}: {name}")
        return _plain(value)


def _plain(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _outside(source: Source, vaults: Mapping[str, Vault], where: str) -> Source:
    """Give a source with what its file takes from the environment and from vaults."""
    settings = {
        name: _plain(resolve(value, vaults, where=f"{where}.settings.{name}"))
        for name, value in source.settings.items()
    }
    update: dict[str, object] = {
        "watch": _plain(resolve(source.watch, vaults, where=f"{where}.watch")),
        "settings": settings,
    }
    if source.wake:
        urls = {name: value for name, value in source.wake.model_dump().items() if value is not None}
        resolved = {name: _plain(resolve(value, vaults, where=f"{where}.wake.{name}")) for name, value in urls.items()}
        update["wake"] = source.wake.model_copy(update=resolved)
    return source.model_copy(update=update)
