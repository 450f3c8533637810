"""`aliquot receipts`: the record of each arrival."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from sqlalchemy import Connection

from aliquot.blobs.objects import digest_file
from aliquot.cli.options import OPTIONS, Limit, Options, in_order, noun
from aliquot.cli.output import print_json, say_rest, table
from aliquot.cli.receipts_show import show_receipt
from aliquot.cli.text import ago, count, digest, plain, size
from aliquot.intake.receipts import Receipt, Wanted, how_many
from aliquot.intake.receipts import find as find_receipts
from aliquot.model.errors import Invalid, Missing
from aliquot.remote import door as afar

app = noun("receipts")

_DIGEST = re.compile(r"(blake3:[0-9a-f]*|[0-9a-f]{8,64})")


@app.command(name="list")
def list_receipts(
    *,
    source: str | None = None,
    dataset: str | None = None,
    limit: Limit = 20,
    before: int | None = None,
    options: Options = OPTIONS,
) -> None:
    """List arrivals, newest first.

    Parameters
    ----------
    source
        Only from this source.
    dataset
        Only into this dataset.
    limit
        Lines at most; 20 by default.
    before
        Go on below this receipt.
    """
    wanted = Wanted(source=source, dataset=dataset, before=before)
    empty = "Nothing has arrived yet." if wanted == Wanted() else "Nothing like that has arrived."
    _find(options, [wanted], limit, empty)


@app.command
def find(
    what: Annotated[str | None, Parameter(name="NAME|DIGEST")] = None,
    /,
    *,
    file: Path | None = None,
    limit: Limit = 20,
    options: Options = OPTIONS,
) -> None:
    """Find out what became of a file, by its name, its digest, or its content.

    Parameters
    ----------
    what
        A file's name, its path at the source, or the first digits of its digest; what is none of them finds the files
        with it in their path, in upper or lower case.
    file
        A file on this machine: finds the arrivals of the same content, whatever their names.
    limit
        Lines at most; 20 by default.
    """
    if (what is None) == (file is None):
        raise Invalid("find-what", "Give either a name or digest, or --file PATH.")
    if what is not None:
        wishes = [Wanted(digest=what)] if _DIGEST.fullmatch(what) else []
        wishes += [Wanted(name=what), Wanted(part=what)]
    else:
        assert file is not None
        wishes = [Wanted(digest=_digest_of(file))]
    _find(options, wishes, limit, "No such file has arrived.")


@app.command
def show(number: Annotated[int, Parameter(name="ID")], /, *, options: Options = OPTIONS) -> None:
    """Show all that is known of an arrival: times, decision, version, who, and what was seen and said of it.

    Parameters
    ----------
    number
        The number that `receipts list` shows.
    """
    found = options.read(lambda connection: _one(connection, number), lambda client: afar.receipt(client, number))
    show_receipt(found, as_json=options.json)


def _one(connection: Connection, number: int) -> Receipt:
    found = find_receipts(connection, Wanted(id=number), 1)
    if not found:
        sentence = f"There is no receipt {number}; `aliquot receipts list` shows what has arrived."
        raise Missing("receipt-missing", sentence, id=number)
    return found[0]


def _digest_of(file: Path) -> str:
    try:
        return digest_file(file)[0]
    except OSError as error:
        sentence = f"{plain(str(file))} cannot be read ({error.strerror})."
        raise Missing("file-missing", sentence, path=str(file)) from error


def _find(options: Options, wishes: Sequence[Wanted], limit: int, empty: str) -> None:
    """Show what the first of the wishes finds that finds anything."""
    found, there_are = options.read(
        lambda connection: _first_found(connection, wishes, limit), lambda client: afar.receipts(client, wishes, limit)
    )
    _show(found, options, empty)
    say_rest(len(found), there_are)


def _first_found(connection: Connection, wishes: Sequence[Wanted], limit: int) -> tuple[Sequence[Receipt], int]:
    for wanted in wishes:
        if found := find_receipts(connection, wanted, limit):
            return found, how_many(connection, wanted) if len(found) >= limit else len(found)
    return (), 0


def _show(found: Sequence[Receipt], options: Options, empty: str) -> None:
    if options.json:
        print_json([asdict(each) for each in found])
        return
    table(
        (">id", "arrived", "source", "file", ">size", "digest", "decision", ""),
        [
            (each.id, ago(each.seen_at), each.source, _file(each), size(each.size), digest(each.digest), each.decision,
             _became(each))
            for each in found
        ],
        empty=empty,
    )  # fmt: skip


def _file(each: Receipt) -> str:
    return each.path if each.files is None else f"{each.path} ({count(each.files, 'file')})"


def _became(each: Receipt) -> str:
    if each.dataset and each.version:
        return f"{each.dataset}@{each.version}"
    return f"quarantine {each.quarantine_id}" if each.quarantine_id else ""


in_order(app)
