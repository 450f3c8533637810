"""`aliquot quarantine`: files that were refused, and what a person decides about them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter
from sqlalchemy import Connection

from aliquot.access.approvals import Approval
from aliquot.cli.approval import tell_asked
from aliquot.cli.findings import findings_column, show_findings, total
from aliquot.cli.options import OPTIONS, Limit, Options, in_order, noun
from aliquot.cli.output import facts, heading, line, print_json, say, say_rest, table
from aliquot.cli.quarantine_export import export
from aliquot.cli.quarantine_work import age, assign, resubmit
from aliquot.cli.said import Records, given, show_said, values_of
from aliquot.cli.text import ago, count, local, moment, size
from aliquot.datasets.commit import Committed
from aliquot.datasets.history import datasets
from aliquot.definitions.problem import instead
from aliquot.intake import quarantine, thread
from aliquot.intake.describe import Given
from aliquot.lab import Lab, acts_data, approving, door
from aliquot.model.errors import Invalid, Missing
from aliquot.remote import door as afar

app = noun("quarantine")

_Id = Annotated[int, Parameter(name="ID")]


@app.command(name="list")
def list_held(
    *, all: Annotated[bool, Parameter(name="--all")] = False, source: str | None = None,  # noqa: A002
    assigned_to: str | None = None, limit: Limit = 50, options: Options = OPTIONS,
) -> None:  # fmt: skip
    """List what waits for a decision, newest first.

    Parameters
    ----------
    all
        What has been decided, too.
    source
        Only what came from this source.
    assigned_to
        Only what this person shall decide about.
    limit
        Lines at most; 50 by default.
    """
    state = None if all else "WAITING"
    found, there_are = options.read_page(
        limit,
        lambda connection: quarantine.list_held(connection, state, source, limit=limit, assigned_to=assigned_to),
        lambda connection: quarantine.count_held(connection, state, source, assigned_to),
        lambda client: afar.held(client, state=state or "all", source=source, assigned_to=assigned_to, limit=limit),
    )
    if options.json:
        print_json([_document(each) for each in found])
    else:
        _list(found, with_state=all)
    say_rest(len(found), there_are)


def _list(found: Sequence[quarantine.Held], *, with_state: bool) -> None:
    columns: list[list[Any]] = [
        [">id", *(e.id for e in found)],
        ["file", *(e.path for e in found)],
        ["source", *(e.source for e in found)],
        ["meant for", *(e.into or "" for e in found)],
        ["for", *(e.assigned_to or "" for e in found)],
        ["arrived", *(ago(e.arrived_at) for e in found)],
        ["newer", *(f"{e.newer.dataset}@{e.newer.version}" if e.newer else "" for e in found)],
    ]
    if with_state:
        columns.append(["state", *(e.state.lower() for e in found)])
    columns.insert(6, ["findings", *findings_column([e.counts for e in found], columns)])
    names, *rows = zip(*columns, strict=True)
    table(names, rows, empty="Quarantine is empty." if with_state else "Nothing waits in quarantine.")


@app.command
def show(number: _Id, /, *, options: Options = OPTIONS) -> None:
    """Show what is wrong with a file: row, column, value, and a sentence for each finding.

    Parameters
    ----------
    number
        The number that `quarantine list` shows.
    """
    held, told = options.read(
        lambda connection: _with_thread(connection, number),
        lambda client: (afar.one_held(client, number), afar.thread(client, number)),
    )
    events, replaced_by = told.events, told.replaced_by
    if options.json:
        print_json({**_document(held), "replaced_by": replaced_by, "thread": [asdict(each) for each in events]})
        return
    decided = f"{held.state.lower()} by {held.decided_by}, {moment(held.decided_at)}: {held.because}"
    facts(
        {
            "file": held.path,
            "source": held.source,
            "arrived": moment(held.arrived_at),
            "type": held.type or "not recognised",
            "meant for": held.into or "no dataset",
            "size": size(sum(each.size for each in held.files)),
            "files": ", ".join(each.path for each in held.files) if len(held.files) > 1 else "",
            "newer": f"{held.newer.path} in {held.newer.dataset}@{held.newer.version}, accepted {moment(held.newer.at)}"
            if held.newer
            else "",
            "assigned to": held.assigned_to,
            "replaces": held.replaces,
            "replaced by": replaced_by,
            "decision": decided if held.decided_at else "",
            "version": held.version,
        }
    )
    heading(total(held.counts))
    show_findings(held.findings, held.counts, files=len(held.files))
    show_said(held.described)
    _show_thread(events, held)
    if held.state == "WAITING":
        into = "" if held.into else " --into DATASET"
        over = " --over-newer" if held.newer else ""
        say(f"\nTo take it all the same:     aliquot quarantine release {held.id}{into}{over} --because '…'")
        say(f"To put another in its place: aliquot quarantine resubmit {held.id} FILE")
        say(f"To keep it out:              aliquot quarantine reject {held.id} --because '…'")


def _show_thread(events: Sequence[thread.Event], held: quarantine.Held) -> None:
    if len(events) < 2 and not held.replaces and not any(each.what == "assigned" for each in events):
        # One decision stands among the facts.
        return
    heading("What was done")
    table(
        ("when", ">id", "what", "who", "why"),
        [(local(each.at), each.quarantine_id, each.what, each.who, each.text) for each in events],
        empty="",
    )


@app.command
def release(
    number: _Id, /, *, because: str, into: str | None = None,
    over_newer: Annotated[bool, Parameter(name="--over-newer", negative="")] = False, record: Records = None,
    options: Options = OPTIONS,
) -> None:  # fmt: skip
    """Take a refused file into its dataset after all.

    Parameters
    ----------
    number
        The number that `quarantine list` shows.
    because
        The reason, which stays with the decision.
    into
        The dataset, where nothing recognised the file; or another one.
    over_newer
        Also where a newer file of that path has been accepted since: the older one then takes its place.
    record
        What you know of the file, as FIELD=VALUE for what its type asks under 'describe'.
    """
    done = options.ask(
        lambda lab: _release(lab, number, because, into, over_newer=over_newer, given=given(record, lab.who)),
        lambda client: afar.release(client, number, because, into, over_newer=over_newer, described=values_of(record)),
    )
    if isinstance(done, Approval):
        tell_asked(done, as_json=options.json)
        return
    if options.json:
        print_json({"id": number, "decision": "released", "dataset": done.dataset, "version": done.number})
        return
    line(f"{number} is released: {count(done.added, 'file')} in {done.dataset}@{done.number}.")


def _with_thread(connection: Connection, number: int) -> tuple[quarantine.Held, afar.Thread]:
    held = quarantine.show(connection, number)
    return held, afar.Thread(thread.thread(connection, held), thread.replaced_by(connection, number))


def _release(
    lab: Lab, number: int, because: str, into: str | None, *, over_newer: bool, given: Given | None
) -> Committed | Approval:
    if into is not None:
        _require_known(lab, into)
    if approving.takes_two(lab, approving.RELEASE):
        if given:
            sentence = "A release takes a second person here; give the file again with `resubmit` and --record."
            raise Invalid("record-approval", sentence, id=number)
        return approving.ask_release(lab, lab.by, number, because, into, over_newer=over_newer)
    return door.release(lab, lab.by, number, because, into, over_newer=over_newer, given=given)


def _require_known(lab: Lab, name: str) -> None:
    """Refuse a dataset that neither is there nor receives anything: it is more likely a slip than a wish."""
    with lab.catalogue.read() as connection:
        known = {each.name for each in datasets(connection)}
    known |= {rule.into for source in lab.config.sources.values() for rule in source.accept}
    if name not in known:
        raise Missing(
            "dataset-unknown",
            f"There is no dataset {name!r}{instead(name, sorted(known)).rstrip('?.')}; "
            "a new one begins with a source, or with `aliquot ingest`.",
            dataset=name,
        )


@app.command
def reject(number: _Id, /, *, because: str, options: Options = OPTIONS) -> None:
    """Keep a refused file out for good.

    Parameters
    ----------
    number
        The number that `quarantine list` shows.
    because
        The reason, which stays with the decision.
    """
    options.ask(
        lambda lab: acts_data.reject(lab.catalogue, lab.by, number, because),
        lambda client: afar.reject(client, number, because),
    )
    if options.json:
        print_json({"id": number, "decision": "rejected"})
        return
    line(f"{number} is rejected; it stays out.")


app.command(export)
app.command(resubmit)
app.command(assign)
app.command(age)


def _document(held: quarantine.Held) -> dict[str, Any]:
    return {**asdict(held), "findings": [each.document() for each in held.findings]}


in_order(app)
