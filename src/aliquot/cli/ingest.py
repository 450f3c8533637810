"""`aliquot ingest`: files that a person gives by hand."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from aliquot.cli.findings import show_findings, total
from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import line, print_json, say
from aliquot.cli.said import Records, given, values_of
from aliquot.cli.text import count, plain
from aliquot.definitions.problem import nearest
from aliquot.intake.decided import Taken
from aliquot.lab import Lab, acts_data
from aliquot.lab.accepted import types_for
from aliquot.model.finding import Finding
from aliquot.remote.uploads import ingest as send_in

app = noun("ingest", epilogue="Exits 1 when a file went to quarantine or could not be read.")

_FIRST = 5


@app.default
def ingest(
    dataset: Annotated[str, Parameter(name="DATASET")],
    paths: Annotated[list[Path], Parameter(name="PATH")],
    /,
    *,
    type: str | None = None,  # noqa: A002  # the option's name
    unchecked: bool = False,
    record: Records = None,
    options: Options = OPTIONS,
) -> int:
    """Take files into a dataset; they are checked as the sources' files are.

    Parameters
    ----------
    dataset
        The dataset, new or not.
    paths
        Files, or folders with all that is below them.
    type
        The file type by which they are checked; by default those that the lab's sources accept into the dataset.
    unchecked
        Take them as they are.
    record
        What you know of the files, as FIELD=VALUE for what their type asks under 'describe'; more than one may follow.
        Behind the name of a type, only for files of that type.
    """
    if options.server:
        with options.connect() as client:
            taken, passed_over = send_in(
                client, dataset, paths, type_=type, unchecked=unchecked, described=values_of(record)
            )
        _tell(dataset, taken, passed_over, options)
        return 1 if taken.bad else 0
    with options.work() as lab:
        types = () if unchecked else types_for(lab, dataset, type)
        taken, passed_over = acts_data.ingest(lab, lab.by, dataset, paths, types, given=given(record, lab.who))
    _tell(dataset, taken, passed_over, options)
    fresh = any(each.new and each.number == 1 for each in taken.versions)
    if fresh and not types and not unchecked and not options.json:
        _tell_unchecked(lab, dataset)
    return 1 if taken.bad else 0


def _tell(dataset: str, taken: Taken, passed_over: Sequence[Finding], options: Options) -> None:
    if options.json:
        print_json(_document(taken, passed_over))
    else:
        _show(dataset, taken, passed_over)


def _show(dataset: str, taken: Taken, passed_over: Sequence[Finding]) -> None:
    for version in taken.versions:
        if version.new:
            line(f"{version.dataset}@{version.number}: {count(version.added, 'file')} added.", "green")
    if taken.unchanged:
        line(f"{count(taken.unchanged, 'file')} changed nothing: {dataset} has the same content already.")
    for refusal in taken.quarantined:
        line(f"\n{plain(refusal.path)} is in quarantine as {refusal.id}: {total(refusal.counts)}.", "yellow")
        show_findings(refusal.findings, refusal.counts, most=_FIRST)
    for file in taken.changing:
        line(f"{plain(file.path)} changed while it was read; take it in again when it is complete.", "red")
    for finding in (*taken.unreadable, *passed_over):
        line(f"{plain(finding.file or '')}: {plain(finding.text)}", "yellow")
    if taken.quarantined:
        first = taken.quarantined[0].id
        say(f"\n`aliquot quarantine show {first}` shows all of it; release or reject decides.")


def _tell_unchecked(lab: Lab, dataset: str) -> None:
    """Say of a new dataset that nothing checks it; a slip of the fingers makes one, too."""
    known = [rule.into for source in lab.config.sources.values() for rule in source.accept]
    meant = nearest(dataset, list(dict.fromkeys(known)))
    say(
        f"{dataset} is a new dataset into which no source delivers: its files were taken as they are, unchecked."
        + (f" Did you mean {meant!r}?" if meant else "")
    )


def _document(taken: Taken, passed_over: Sequence[Finding]) -> dict[str, Any]:
    return {
        "versions": [
            {"dataset": e.dataset, "version": e.number, "added": e.added, "removed": e.removed, "new": e.new}
            for e in taken.versions
        ],
        "added": taken.added,
        "unchanged": taken.unchanged,
        "quarantined": [
            {**asdict(refusal), "findings": [each.document() for each in refusal.findings]}
            for refusal in taken.quarantined
        ],
        "changing": [file.path for file in taken.changing],
        "unreadable": [each.document() for each in taken.unreadable],
        "passed_over": [each.document() for each in passed_over],
    }
