"""`aliquot approval`: what one person asks for and a second one signs."""

import getpass
import json
import sys
from typing import Annotated

from cyclopts import Parameter

from aliquot.access import approvals
from aliquot.access.approvals import Approval
from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import facts, line, print_json, say, table
from aliquot.cli.text import ago, moment, plain
from aliquot.remote import people as afar

app = noun("approval")

_Id = Annotated[int, Parameter(name="ID")]


@app.command(name="list")
def list_approvals(
    *, all: Annotated[bool, Parameter(name="--all")] = False, options: Options = OPTIONS  # noqa: A002  # the option's name
) -> None:  # fmt: skip
    """List what waits for a second person.

    Parameters
    ----------
    all
        What has been decided, too.
    """
    found = options.read(
        lambda connection: approvals.approvals(connection, waiting=not all),
        lambda client: afar.approvals(client, decided=all),
    )
    if options.json:
        print_json([each.as_json() for each in found])
        return
    rows = [
        (each.id, each.action, each.subject, each.asked_by, ago(each.asked_at), each.because,
         "" if each.state == "WAITING" else f"{each.state} by {each.decided_by}")
        for each in found
    ]  # fmt: skip
    table((">id", "action", "subject", "asked by", "when", "because", ""), rows, empty="Nothing waits for a signature.")


@app.command
def show(number: _Id, /, *, options: Options = OPTIONS) -> None:
    """Show what was asked for, in full, and how it was decided.

    Parameters
    ----------
    number
        The number that `approval list` shows.
    """
    found = options.read(
        lambda connection: approvals.find(connection, number), lambda client: afar.approval(client, number)
    )
    if options.json:
        print_json(found.as_json())
        return
    facts(
        {
            "approval": found.id, "action": found.action, "subject": found.subject, "project": found.project,
            "asked by": f"{found.asked_by}, {moment(found.asked_at)}", "because": found.because, "state": found.state,
            "decided by": f"{found.decided_by}, {moment(found.decided_at)}" if found.decided_by else "",
            "reason": found.reason, "digest": found.digest,
            "document": plain(json.dumps(found.document, ensure_ascii=False)),
        }
    )  # fmt: skip


@app.command
def give(number: _Id, /, *, user: str, because: str, options: Options = OPTIONS) -> None:
    """Sign as the second person, with a password, and let it be done.

    Parameters
    ----------
    number
        The number that `approval list` shows.
    user
        Who signs; not whoever asked. The password is asked for, or read from stdin.
    because
        The reason, which stays with the signature.
    """
    _decide(options, number, user, because, approve=True)


@app.command
def refuse(number: _Id, /, *, user: str, because: str, options: Options = OPTIONS) -> None:
    """Refuse as the second person, with a password.

    Parameters
    ----------
    number
        The number that `approval list` shows.
    user
        Who refuses. The password is asked for, or read from stdin.
    because
        The reason, which stays with the signature.
    """
    _decide(options, number, user, because, approve=False)


@app.command
def withdraw(number: _Id, /, *, options: Options = OPTIONS) -> None:
    """Take back what was asked for.

    Parameters
    ----------
    number
        The number that `approval list` shows.
    """
    found = options.steer(
        lambda connection, by: approvals.withdraw(connection, by, number), lambda client: afar.withdraw(client, number)
    )
    _tell(found, as_json=options.json)


def tell_asked(asked: Approval, *, as_json: bool) -> None:
    """Say that something waits for a second person."""
    if as_json:
        print_json(asked.as_json())
        return
    line(f"Approval {asked.id} is asked for: {asked.action} of {asked.subject} takes a second person.")
    say(f"They sign with: aliquot approval give {asked.id} --user NAME --because '…'")


def _decide(options: Options, number: int, user: str, because: str, *, approve: bool) -> None:
    from aliquot.lab.deciding import decide

    password = getpass.getpass(f"Password of {user}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    found = options.ask(
        lambda lab: decide(lab, number, user, password, because, approve=approve),
        lambda client: afar.decide(client, number, user, password, because, approve=approve),
    )
    _tell(found, as_json=options.json)


def _tell(found: Approval, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_json())
        return
    line(f"Approval {found.id} is {found.state}: {found.action} of {found.subject}.")


in_order(app)
