"""`aliquot token`: what programs sign in with."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from aliquot.access import tokens
from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import line, print_json, say, table
from aliquot.cli.text import ago, local
from aliquot.lab import Lab
from aliquot.lab.projects import require_project
from aliquot.remote import people as afar

app = noun("token")


@app.command
def create(
    name: Annotated[str, Parameter(name="FOR")],
    /,
    *,
    user: str,
    scope: list[str],
    project: str | None = None,
    days: float = tokens.DEFAULT_DAYS,
    options: Options = OPTIONS,
) -> None:
    """Make a token and print it, once; it can do no more than its person at each moment.

    Parameters
    ----------
    name
        What it is for, like "plate reader 2".
    user
        Whose it is.
    scope
        An action that it may do, like dataset.ingest; may be repeated. `aliquot user rights` lists them.
    project
        Only in this project; by default wherever the person may.
    days
        For how long; 90 days by default, 366 at most.
    """
    word, made = options.ask(
        lambda lab: _make(lab, user, name, scope, project, days),
        lambda client: afar.make_token(client, user, name, scope, project, days),
    )
    if options.json:
        print_json({**made.document(), "word": word})
        return
    line(word)
    say(f"This is token {made.id} of {user}, good until {local(made.expires_at)}. It is shown this once.")


@app.command(name="list")
def list_tokens(
    *,
    user: str | None = None,
    all: Annotated[bool, Parameter(name="--all")] = False,  # noqa: A002  # the option's name
    options: Options = OPTIONS,
) -> None:
    """List tokens, newest first, and when each was used last.

    Parameters
    ----------
    user
        Only this person's.
    all
        Those that have ended, too.
    """
    found = options.read(
        lambda connection: tokens.tokens(connection, user, ended=all),
        lambda client: afar.tokens(client, user, ended=all),
    )
    if options.json:
        print_json([each.document() for each in found])
        return
    rows = [
        (each.id, each.person, each.name, ", ".join(each.scope), each.project or "", ago(each.used_at) or "never",
         f"ended {ago(each.ended_at)}" if each.ended_at else local(each.expires_at))
        for each in found
    ]  # fmt: skip
    table((">token", "of", "for", "may", "in", "used", "until"), rows, empty="There is no token.")


@app.command
def revoke(number: Annotated[int, Parameter(name="TOKEN")], /, *, options: Options = OPTIONS) -> None:
    """End a token at once.

    Parameters
    ----------
    number
        The number that `token list` shows.
    """
    ended = options.steer(
        lambda connection, by: tokens.end_token(connection, by, number), lambda client: afar.end_token(client, number)
    )
    if options.json:
        print_json(ended.document())
        return
    line(f"Token {number} of {ended.person} has ended.")


def _make(
    lab: Lab, user: str, name: str, scope: Sequence[str], project: str | None, days: float
) -> tuple[str, tokens.Token]:
    only = None if project is None else require_project(lab, project)
    with lab.catalogue.write() as connection:
        return tokens.make_token(connection, lab.by, user, name, scope, only, days)


in_order(app)
