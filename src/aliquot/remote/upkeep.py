"""Reading everything again, and sweeping, in a lab on a server."""

from collections.abc import Callable

from aliquot.datasets.damage import VerifyReport
from aliquot.lab.upkeep import Swept
from aliquot.remote.client import Client


def verify(client: Client, dataset: str | None, progress: Callable[[int, int], None]) -> VerifyReport:
    """Read the bytes of a dataset, or of all, again; `progress` is told how many are read, of how many."""
    return client.work(VerifyReport, "/verify", lambda done, total, _what: progress(done, total), dataset=dataset)


def sweep(client: Client, *, dry_run: bool) -> Swept:
    """Remove bytes that nothing needs, or say what would go."""
    return client.work(Swept, "/sweep", once=True, dry_run="true" if dry_run else "false")
