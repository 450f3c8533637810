"""Verifying, with progress."""

from aliquot.cli.options import Options
from aliquot.cli.output import line, print_json, stderr, table
from aliquot.cli.text import count, size
from aliquot.datasets.damage import VerifyReport
from aliquot.datasets.verify import verify
from aliquot.lab import Lab
from aliquot.model.errors import Damaged


def verify_and_show(options: Options, dataset: str | None) -> int:
    """Verify a dataset or all; gives the exit code of damage when there is some."""
    with options.open() as lab:
        report = _verify(lab, dataset)
    if options.json:
        print_json(report.document())
    else:
        _show(report)
    return 0 if report.sound else Damaged.exit_code


def _verify(lab: Lab, dataset: str | None) -> VerifyReport:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(True), TransferSpeedColumn(), TimeRemainingColumn())
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("verify", total=None)
        return verify(
            lab.catalogue, lab.store, dataset, lambda done, total: progress.update(bar, completed=done, total=total)
        )


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
