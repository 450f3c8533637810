"""Verifying, with progress."""

from collections.abc import Generator
from contextlib import contextmanager

from aliquot.cli.options import Options
from aliquot.cli.output import line, print_json, stderr, table
from aliquot.cli.text import count, size
from aliquot.datasets.damage import Progress, VerifyReport
from aliquot.lab.upkeep import verify_lab
from aliquot.model.errors import Damaged
from aliquot.remote import upkeep as afar


def verify_and_show(options: Options, dataset: str | None) -> int:
    """Verify a dataset or all; gives the exit code of damage when there is some."""
    with _progress() as told:
        report = options.ask(
            lambda lab: verify_lab(lab, lab.by, dataset, told), lambda client: afar.verify(client, dataset, told)
        )
    if options.json:
        print_json(report.document())
    else:
        _show(report)
    return 0 if report.sound else Damaged.exit_code


@contextmanager
def _progress() -> Generator[Progress]:
    """Draw how far it is; gives what is told of it."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Drawn

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(True), TransferSpeedColumn(), TimeRemainingColumn())
    console = stderr()
    with Drawn(*columns, console=console, transient=True, disable=not console.is_terminal) as drawn:
        bar = drawn.add_task("verify", total=None)
        yield lambda done, total: drawn.update(bar, completed=done, total=total)


def _show(report: VerifyReport) -> None:
    table(
        ("", "what", "where", "said"),
        [(each.kind, ", ".join(each.references[:3]), each.place, each.message) for each in report.damages],
        empty=f"Read {count(report.blobs, 'blob')}, {size(report.bytes)}: {count(report.datasets, 'dataset')}, "
        f"{count(report.versions, 'version')}, {count(report.files, 'file')}.",
    )
    if report.sound:
        line("Everything is as it was written.")
    else:
        line(f"\n{count(len(report.damages), 'thing')} damaged.", "bold red")
