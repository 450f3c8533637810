"""`aliquot hub`: the tables that people query."""

import csv as comma_separated
import signal
import sys
from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import facts, heading, print_json, say, stdout, table
from aliquot.cli.text import count, plain
from aliquot.hub.query import Rows
from aliquot.hub.query import query as ask
from aliquot.hub.query import tables as list_tables
from aliquot.hub.reader import require_same_database
from aliquot.lab import Lab
from aliquot.lab.loads import load_again
from aliquot.remote import hub as afar

app = noun("hub")


@app.command
def tables(*, options: Options = OPTIONS) -> None:
    """List the tables, and what was loaded into each last."""
    found = options.ask(lambda lab: list_tables(lab.hub), afar.tables)
    if options.json:
        print_json(
            [
                {
                    "table": each.name,
                    "columns": [{"name": name, "type": kind} for name, kind in each.columns],
                    "key": list(each.key),
                    "rows": each.rows,
                    "dataset": each.dataset,
                    "version": each.version,
                    "run": each.run,
                    "loaded_at": each.loaded_at,
                }
                for each in found
            ]
        )
        return
    table(
        ("table", ">rows", "columns", "key", "from"),
        [
            (
                each.name,
                each.rows,
                ", ".join(name for name, _ in each.columns if not name.startswith("_")),
                ", ".join(each.key),
                f"{each.dataset}@{each.version}" if each.dataset else f"run {each.run}",
            )
            for each in found
        ],
        empty="No table is loaded yet; pipelines load them as their `tables:` say.",
    )


@app.command
def query(
    sql: Annotated[str, Parameter(name="SQL")],
    /,
    *,
    limit: int = 1000,
    csv: bool = False,
    options: Options = OPTIONS,
) -> None:
    """Run one SELECT.

    Parameters
    ----------
    sql
        The query; the hub is opened for reading only.
    limit
        Rows at most; 1000 by default.
    csv
        Print comma-separated values.
    """
    # The database's own driver cannot be interrupted from Python: Ctrl-C ends the program itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    found = options.ask(lambda lab: _ask(lab, sql, limit), lambda client: afar.query(client, sql, limit))
    if options.json:
        print_json(
            {
                "columns": [{"name": n, "type": t} for n, t in zip(found.columns, found.types, strict=True)],
                "rows": [dict(zip(found.columns, row, strict=True)) for row in found.rows],
                "truncated": found.truncated,
            }
        )
    elif csv:
        _write_csv(found)
    else:
        _show(found)
    if found.truncated:
        say(f"There are more rows than {limit:,}; --limit N shows more.")


@app.command
def load(*, options: Options = OPTIONS) -> int:
    """Do again the loads that failed, and the ones that wait; exits 1 when one fails again."""
    done = options.ask(lambda lab: load_again(lab, lab.by), afar.load)
    if options.json:
        print_json(
            [{"run": e.run, "table": e.table, "state": e.state, "rows": e.rows, "message": e.message} for e in done]
        )
    else:
        table(
            (">run", "table", "state", ">rows", ""),
            [(e.run, e.table, e.state, e.rows, e.message) for e in done],
            empty="No load waits or has failed.",
        )
    return 0 if all(each.state == "DONE" for each in done) else 1


def _ask(lab: Lab, sql: str, limit: int) -> Rows:
    require_same_database(lab.hub)
    return ask(lab.hub, sql, limit)


def _show(found: Rows) -> None:
    numeric = {"integer", "number"}
    columns = [
        f"{'>' if kind in numeric else ''}{plain(name)}" for name, kind in zip(found.columns, found.types, strict=True)
    ]
    # As they are: a number in a result is read by its digits, not in groups of three.
    rows = [["" if value is None else str(value) for value in row] for row in found.rows]
    natural = sum(max(map(len, [name, *cells])) + 2 for name, *cells in zip(columns, *rows, strict=True))
    if rows and stdout().is_terminal and natural > stdout().width:
        for number, row in enumerate(rows, 1):
            heading(f"row {number}")
            facts(dict(zip((plain(name) for name in found.columns), row, strict=True)))
    else:
        table(columns, rows, empty="The query gave no rows.", every_column=True)
    if rows:
        say(f"\n{count(len(rows), 'row')}")


def _write_csv(found: Rows) -> None:
    writer = comma_separated.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows(found.rows)


in_order(app)
