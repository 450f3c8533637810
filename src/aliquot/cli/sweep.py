"""`aliquot sweep`: freeing space."""

from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import line, print_json, say, table
from aliquot.cli.text import count, size, span
from aliquot.datasets.sweep_report import WORDS, SweepReport
from aliquot.lab.upkeep import sweep_lab
from aliquot.model.errors import Invalid
from aliquot.remote import upkeep as afar

app = noun("sweep")


@app.default
def sweep(*, dry_run: bool = False, yes: bool = False, options: Options = OPTIONS) -> int:
    """Remove bytes that nothing needs any more: marked first, gone with a sweep after the grace time.

    What a version, a run within retention or quarantine names is never touched; `retention` in aliquot.yaml says how
    long runs keep what they made. Keys and digests of what goes stay: what has succeeded is still skipped.

    Parameters
    ----------
    dry_run
        Only say what would go, by reason.
    yes
        Do it.
    """
    if dry_run == yes:
        raise Invalid("sweep-unconfirmed", "Say --dry-run to see what would go, or --yes to let it go.")
    swept = options.ask(
        lambda lab: sweep_lab(lab, lab.by, dry_run=dry_run), lambda client: afar.sweep(client, dry_run=dry_run)
    )
    if options.json:
        print_json(swept.report.document())
    else:
        _show(swept.report, swept.grace)
    if swept.bucket:
        say(
            "Uploads to the bucket that were broken off cannot be listed from here; let a lifecycle rule of the bucket "
            "end incomplete multipart uploads after a day."
        )
    return 0


def _show(report: SweepReport, grace: float) -> None:
    rows = [
        (WORDS[reason], share.now or "", size(share.now_bytes) if share.now else "", share.later or "",
         size(share.later_bytes) if share.later else "")
        for reason, share in report.shares.items()
        if share.now or share.later
    ]  # fmt: skip
    total = report.total
    table(("because they are", ">now", ">bytes", ">later", ">bytes"), rows, empty="There is nothing to remove.")
    for key in report.damaged:
        say(f"{key} is damaged and was left as it is; `aliquot admin verify` says more.")
    if not rows:
        return
    if report.dry_run:
        line(f"\nA sweep would remove {size(total.now_bytes)} now.")
    else:
        line(f"\nThe store is {size(report.freed)} smaller.")
    if total.later:
        mark = "would be marked, or is" if report.dry_run else "is marked"
        line(f"{size(total.later_bytes)} {mark} to go with a sweep after the grace time of {span(grace)}.")
    if report.kept:
        say(f"{count(report.kept, 'blob')} that had been marked stay: something names them again.")
