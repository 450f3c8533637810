"""Reading everything again, and sweeping, in a lab on a server."""

from collections.abc import Callable

from aliquot.datasets.damage import VerifyReport
from aliquot.lab.upkeep import Swept
from aliquot.remote.client import Client


def verify(client: Client, dataset: str | None, progress: Callable[[int, int], None]) -> VerifyReport:
    """Read the bytes of a dataset, or of all, again; `progress` is told how many are read, of how many."""
    return client.work(VerifyReport, "/verify", progress, dataset=dataset)


def sweep(client: Client, *, dry_run: bool) -> Swept:
    """Remove bytes that nothing needs, or say what would go."""
    return client.work(Swept, "/sweep", lambda _done, _total: None, dry_run="true" if dry_run else "false")
