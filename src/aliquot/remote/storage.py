"""What takes how many bytes in a lab on a server."""

from dataclasses import dataclass

from aliquot.datasets.usage import DatasetUse, RunUse
from aliquot.lab.storage import Room
from aliquot.remote.client import Client, path_of


@dataclass(frozen=True, slots=True)
class RunUses:
    """What runs made and no dataset holds, and how many such runs there are."""

    runs: list[RunUse]
    total: int


def room(client: Client) -> Room:
    """Say what datasets and the store take, and what a sweep would free."""
    return client.get(Room, "/administration/storage")


def dataset_use(client: Client, name: str) -> DatasetUse:
    """Say what one dataset takes."""
    return client.get(DatasetUse, path_of("datasets", name, "usage"))


def run_uses(client: Client, limit: int) -> tuple[list[RunUse], int]:
    """List the runs that hold most, and say how many there are."""
    found = client.get(RunUses, "/administration/runs", limit=limit)
    return found.runs, found.total
