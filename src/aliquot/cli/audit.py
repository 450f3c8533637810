"""`aliquot admin audit`: who did what, and whether that record is whole."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from sqlalchemy import Connection

from aliquot.access.audit_read import Entry, Question, count_entries, entries
from aliquot.access.audit_verify import Fault, verify_rows
from aliquot.cli.options import OPTIONS, Limit, Options, in_order, noun
from aliquot.cli.output import facts, line, print_json, say, say_rest, stderr, table
from aliquot.cli.text import ago, count, digest, local, plain
from aliquot.lab.audit_export import export_audit, is_compressed, opened
from aliquot.lab.upkeep import prove_audit
from aliquot.model.errors import Invalid, Missing
from aliquot.remote import audit as afar

app = noun("audit", text="See who did what, and prove that the record of it is whole.")

_DAMAGED = 6


@app.command(name="list")
def list_entries(*, denied: bool = False, limit: Limit = 20, options: Options = OPTIONS) -> None:
    """List what was done last, and what was refused.

    Parameters
    ----------
    denied
        Only what was refused.
    limit
        Rows at most; 20 by default.
    """
    _show(options, Question(outcome="denied" if denied else None), limit)


@app.command
def search(
    text: Annotated[str | None, Parameter(name="TEXT")] = None,
    /,
    *,
    who: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    project: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: Limit = 50,
    options: Options = OPTIONS,
) -> None:
    """Find rows of the audit.

    Parameters
    ----------
    text
        What stands somewhere in the row, whatever its case.
    who
        The person.
    action
        The action, like quarantine.release.
    subject
        What it was done to, like "run 12"; with * at its end, all that begin so.
    project
        The project.
    since
        From this time on, like 2026-11-01 or 2026-11-01T08:00.
    until
        Before this time.
    limit
        Rows at most; 50 by default.
    """
    asked = Question(who, action, subject, project, None, text, _time("--since", since), _time("--until", until))
    _show(options, asked, limit)


@app.command
def show(number: Annotated[int, Parameter(name="ROW")], /, *, options: Options = OPTIONS) -> None:
    """Show one row with what was before and after.

    Parameters
    ----------
    number
        The row's number.
    """
    row = options.read(lambda connection: _row(connection, number), lambda client: afar.entry(client, number))
    if options.json:
        print_json(row.document())
        return
    facts(
        {
            "row": row.number, "when": local(row.at), "who": row.who, "how": row.how, "from": row.place,
            "request": row.request, "action": row.action, "subject": row.subject, "project": row.project,
            "outcome": row.outcome, "before": _json(row.before), "after": _json(row.after),
            "digest": row.digest, "follows": row.parent,
        }
    )  # fmt: skip


@app.command
def export(to: Annotated[Path, Parameter(name="FILE")], /, *, options: Options = OPTIONS) -> None:
    """Write the audit as JSON lines; `aliquot admin audit verify FILE` proves them anywhere, without a lab.

    Parameters
    ----------
    to
        A new file; compressed when it ends with .gz.
    """
    done = options.ask(lambda lab: export_audit(lab, to), lambda client: afar.export(client, to))
    if options.json:
        print_json({"file": str(to), "rows": done.rows, "digest": done.digest, "head": done.head})
        return
    line(f"{plain(str(to))} has {count(done.rows, 'row')}, the last with the digest {done.digest}.")
    say("Note that digest somewhere else: it vouches for all rows before it.")


@app.command
def verify(file: Annotated[Path | None, Parameter(name="FILE")] = None, /, *, options: Options = OPTIONS) -> int:
    """Prove that no row was altered, replaced or removed; exits 6 when one was.

    Parameters
    ----------
    file
        An export to prove instead of the catalogue's own rows.
    """
    if file is not None:
        return _verify_file(options, file)
    with stderr().status("") as status:

        def tell(done: int, of: int) -> None:
            status.update(f"{done:,} of {count(of, 'row')} proved")

        report = options.ask(lambda lab: prove_audit(lab, lab.by, tell), lambda client: afar.verify(client, tell))
    if options.json:
        print_json(report.document())
    else:
        _tell_faults(report.faults)
        vouched = f"; the store vouches for the first {report.anchored:,}" if report.anchored else ""
        if not report.faults:
            line(f"All {count(report.rows, 'row')} follow each other, the last with {digest(report.digest)}{vouched}.")
    return _DAMAGED if report.faults else 0


def _verify_file(options: Options, file: Path) -> int:
    seen = 0
    last = ""

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal seen, last
        with opened(file, "rt", compressed=is_compressed(file)) as lines:
            for text in lines:
                row = json.loads(text)
                seen, last = seen + 1, str(row.get("digest", ""))
                yield row

    try:
        faults = list(verify_rows(rows()))
    except FileNotFoundError:
        raise Missing("file-missing", f"There is no file {file}.", path=str(file)) from None
    except (OSError, ValueError, AttributeError, EOFError) as error:
        words = f"{file} is no export of an audit, or is cut off in line {seen + 1}."
        raise Invalid("audit-export-refused", words, path=str(file), line=seen + 1) from error
    if options.json:
        print_json({"rows": seen, "digest": last, "faults": [{"number": f.number, "text": f.text} for f in faults]})
        return _DAMAGED if faults else 0
    _tell_faults(faults)
    if not faults:
        line(f"All {count(seen, 'row')} follow each other, the last with the digest {last}.")
        say("Compare that digest with the one that was noted: a tail that was cut off shows in nothing else.")
    return _DAMAGED if faults else 0


def _tell_faults(faults: list[Fault]) -> None:
    for each in faults[:100]:
        line(f"row {each.number}: {each.text}", "red")
    if faults:
        sys.stdout.flush()
        say(f"The audit is not what was written: {count(len(faults), 'fault')}. Compare it with an export or a backup.")


def _row(connection: Connection, number: int) -> Entry:
    found = entries(connection, before=number + 1, limit=1)
    if not found or found[0].number != number:
        raise Missing("audit-row-missing", f"The audit has no row {number}.", number=number)
    return found[0]


def _show(options: Options, asked: Question, limit: int) -> None:
    found, there_are = options.read_page(
        limit,
        lambda connection: entries(connection, asked, limit=limit),
        lambda connection: count_entries(connection, asked),
        lambda client: afar.entries(client, asked, limit),
    )
    if options.json:
        print_json([each.document() for each in found])
    else:
        columns = (">row", "when", "who", "from", "action", "subject", "project", "")
        table(columns, [_cells(each) for each in found], empty="The audit has no row like that.")
    say_rest(len(found), there_are)


def _cells(each: Entry) -> tuple[Any, ...]:
    project = "" if each.project == "lab" else each.project
    outcome = "" if each.outcome == "done" else each.outcome
    return each.number, ago(each.at), each.who, each.place, each.action, each.subject, project, outcome


def _json(value: Any) -> str:
    return "" if value is None else plain(json.dumps(value, ensure_ascii=False))


def _time(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        words = f"{option} takes a day or a time like 2026-11-01 or 2026-11-01T08:00; {text!r} is none."
        raise Invalid("time-refused", words, text=text) from None


in_order(app)
