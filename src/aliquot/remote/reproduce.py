"""Making files of a lab on a server again, where it is."""

from collections.abc import Callable

from aliquot.lab.reproduce import Reproduced
from aliquot.model.reference import Reference
from aliquot.remote.client import Client, path_of


def reproduce(client: Client, asked: Reference, tell: Callable[[int, int, str], None]) -> Reproduced:
    """Do the tasks again that made files; `tell` is told how many have ended, of how many, and the last one's name."""
    path = path_of("datasets", asked.dataset, "versions", asked.version, "reproduce")
    return client.work(Reproduced, path, tell, path=asked.path)
