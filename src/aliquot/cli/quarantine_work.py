"""`aliquot quarantine resubmit, assign, age`: work on what waits."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from aliquot.cli.findings import findings_column, show_findings, total
from aliquot.cli.options import OPTIONS, Limit, Options
from aliquot.cli.output import heading, line, print_json, say, table
from aliquot.cli.said import Records, given, values_of
from aliquot.cli.text import count, moment, plain, span
from aliquot.intake import thread
from aliquot.lab import door
from aliquot.model.errors import Invalid
from aliquot.remote import door as afar
from aliquot.remote.uploads import resubmit as send_corrected

Number = Annotated[int, Parameter(name="ID")]


def resubmit(
    number: Number, files: Annotated[list[Path], Parameter(name="FILE")], /, *, because: str = "corrected",
    record: Records = None, options: Options = OPTIONS,
) -> int:  # fmt: skip
    """Give a corrected file in the place of a refused one: it is checked, and goes where the other would have gone.

    Parameters
    ----------
    number
        The number that `quarantine list` shows.
    files
        The corrected file, under any name. Of several that came together, those that were corrected, under their names.
    because
        What was corrected; it stays with the decision.
    record
        What you know of the files, as FIELD=VALUE.
    """
    taken = options.ask(
        lambda lab: door.resubmit(lab, lab.by, number, files, because, given(record, lab.who)),
        lambda client: send_corrected(client, number, files, because, values_of(record)),
    )
    refused = taken.quarantined[0] if taken.quarantined else None
    into = taken.versions[0] if taken.versions else None
    if options.json:
        refusal = {**asdict(refused), "findings": [each.document() for each in refused.findings]} if refused else None
        print_json(
            {
                "id": number,
                "decision": "replaced",
                "version": f"{into.dataset}@{into.number}" if into else None,
                "refused": refusal,
            }
        )
        return 1 if refused or taken.unreadable or taken.changing else 0
    for finding in taken.unreadable:
        line(f"{plain(finding.file or '')}: {plain(finding.text)}", "yellow")
    if taken.changing:
        line("The file changed while it was read; give it again when it is complete.", "red")
    if into:
        line(f"{number} is replaced: {count(into.added, 'file')} in {into.dataset}@{into.number}.", "green")
    elif taken.unchanged and not refused:
        line(f"{number} is replaced; the dataset has the same content already.")
    if refused:
        line(f"It is refused again and waits as {refused.id}: {total(refused.counts)}.", "yellow")
        show_findings(refused.findings, refused.counts, most=5)
        say(f"\n`aliquot quarantine show {refused.id}` shows all of it.")
    return 1 if refused or taken.unreadable or taken.changing else 0


def assign(
    number: Number, to: Annotated[str | None, Parameter(name="WHO")] = None, /, *, nobody: bool = False,
    options: Options = OPTIONS,
) -> None:  # fmt: skip
    """Say who shall decide about a file.

    Parameters
    ----------
    number
        The number that `quarantine list` shows.
    to
        Their name.
    nobody
        Take it from whoever has it.
    """
    if (to is None) != nobody:
        raise Invalid("assignee-absent", "Say who shall decide about it, or --nobody.")
    options.ask(lambda lab: door.assign(lab, lab.by, number, to), lambda client: afar.assign(client, number, to))
    if options.json:
        print_json({"id": number, "assigned_to": to})
        return
    line(f"{number} is {to}'s to decide about." if to else f"{number} is nobody's in particular.")


def age(*, limit: Limit = 10, options: Options = OPTIONS) -> None:
    """Say what waits longest, and how much waits at each source.

    Parameters
    ----------
    limit
        How many of those that wait longest; 10 by default.
    """
    now = time.time()
    sources, oldest = options.read(
        lambda connection: (thread.ages(connection, now), thread.longest(connection, limit)),
        lambda client: afar.ages(client, limit),
    )
    if options.json:
        waits = [
            {"id": e.id, "path": e.path, "source": e.source, "arrived_at": e.arrived_at, "seconds": now - e.arrived_at,
             "assigned_to": e.assigned_to, "counts": dict(e.counts)}
            for e in oldest
        ]  # fmt: skip
        print_json({"sources": [asdict(each) for each in sources], "longest": waits})
        return
    table(
        ("source", ">waiting", ">over a week", ">nobody's", "oldest"),
        [(e.source, e.waiting, e.over_a_week or "", e.unassigned or "", moment(e.oldest)) for e in sources],
        empty="Nothing waits in quarantine.",
    )
    if oldest:
        heading("Waits longest")
        columns: list[list[Any]] = [
            [">id", *(e.id for e in oldest)],
            ["waits", *(_days(now - e.arrived_at) for e in oldest)],
            ["file", *(e.path for e in oldest)],
            ["source", *(e.source for e in oldest)],
            ["for", *(e.assigned_to or "" for e in oldest)],
        ]
        columns.append(["findings", *findings_column([e.counts for e in oldest], columns)])
        names, *rows = zip(*columns, strict=True)
        table(names, rows, empty="")


def _days(seconds: float) -> str:
    return f"{seconds / thread.DAY:.0f} days" if seconds >= 2 * thread.DAY else span(seconds)
