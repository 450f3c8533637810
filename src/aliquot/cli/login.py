"""`aliquot login`, `aliquot logout`: the token with which commands work with a lab on a server."""

import getpass
import os
import sys
import time
from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import PLAIN, Plain, noun
from aliquot.cli.output import line, print_json, say
from aliquot.cli.text import plain
from aliquot.model.errors import AliquotError, Denied, Invalid, NotSignedIn
from aliquot.remote.client import Client
from aliquot.remote.credentials import (
    forget_session,
    forget_token,
    keep_session,
    keep_token,
    kept_session,
    kept_token,
    origin_of,
    place,
)
from aliquot.remote.people import sign_in, sign_out, who_am_i

app = noun("login", epilogue="The token is asked for, or read from stdin; it is never part of a command line.")
out = noun("logout")

_Url = Annotated[str, Parameter(name="URL")]


@app.default
def login(url: _Url, /, *, user: str | None = None, options: Plain = PLAIN) -> None:
    """Keep the token for a lab's server, once it is seen that the server takes it; or sign in for some hours.

    Parameters
    ----------
    url
        The address, like https://lab.example.org.
    user
        Sign in by this name and a password, for what no token may do: accounts, tokens, signatures.
    """
    origin = origin_of(url)
    _warn_of_plain(origin)
    if user is not None:
        _sign_in(origin, user, options)
        return
    token = getpass.getpass(f"Token for {origin}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not token.strip():
        words = "No token was given; make one in the lab with `aliquot token create`, or on the page of your account."
        raise Invalid("token-absent", words)
    with Client(origin, token.strip(), notice=say) as client:
        try:
            name = who_am_i(client).name
        except Denied:
            # A token that may do little, and not even say whose it is, is good all the same.
            name = ""
    kept = keep_token(origin, token.strip())
    _warn_of_variable()
    if kept_session(origin):
        say(f"You are signed in there by name, too, and that goes before: `aliquot logout {origin}` ends it.")
    if options.json:
        print_json({"server": origin, "name": name, "file": str(kept)})
        return
    line(f"Signed in at {origin}{f' as {plain(name)}' if name else ''}.")
    say(f"The token is in {plain(str(kept))}. Now: aliquot --server {origin} run list")


def _sign_in(origin: str, user: str, options: Plain) -> None:
    asked = f"Password of {user} at {origin}: "
    password = getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    with Client(origin, None, notice=say) as client:
        kept = keep_session(origin, *sign_in(client, user, password))
    _warn_of_variable()
    if options.json:
        print_json({"server": origin, "name": user, "file": str(kept)})
        return
    line(f"Signed in at {origin} as {plain(user)}, for twelve hours at most and two without use.")
    say(f"The session is in {plain(str(kept))}; `aliquot logout {origin}` ends it.")
    if kept_token(origin):
        say("Until then it goes before the token that is kept for the same server, and the token stays.")


@out.default
def logout(url: _Url, /, *, options: Plain = PLAIN) -> None:
    """Sign out; or forget the token for a lab's server, which the lab ends with `aliquot token revoke`.

    Who is signed in by name and keeps a token, too, is signed out, and the token stays.

    Parameters
    ----------
    url
        The address.
    """
    origin = origin_of(url)
    session = kept_session(origin)
    if session is not None:
        _sign_out(origin, *session)
    forgotten = forget_session(origin) if session is not None else forget_token(origin)
    _warn_of_variable()
    if options.json:
        print_json({"server": origin, "forgotten": forgotten})
        return
    if session is not None:
        line(f"You are signed out at {origin}.")
        if kept_token(origin):
            say("The token that is kept for it is used again; the same command once more forgets that, too.")
        return
    line(f"The token for {origin} is forgotten." if forgotten else f"{plain(str(place()))} has no token for {origin}.")


def _sign_out(origin: str, word: str, until: float) -> None:
    """End a session there, before its word is forgotten here: without the word nobody could end it from here."""
    try:
        with Client(origin, word, notice=say) as client:
            sign_out(client)
    except NotSignedIn:
        return
    except AliquotError as error:
        if time.time() >= until:
            return
        end = time.strftime("%Y-%m-%d %H:%M", time.localtime(until))
        sentence = (
            f"{error.message} You are not signed out: the session lives on there until {end} at the latest, or two "
            f"hours after its last use. Its word stays in {place()}, so that you can sign out once the server answers."
        )
        raise type(error)(error.code, sentence, **error.facts) from error


def _warn_of_variable() -> None:
    if os.environ.get("ALIQUOT_TOKEN"):
        say("warning: ALIQUOT_TOKEN is set and goes before all that is kept here; unset it to use that.")


def _warn_of_plain(origin: str) -> None:
    host = origin.partition("://")[2].rpartition(":")[0] or origin.partition("://")[2]
    if origin.startswith("http:") and host not in {"localhost", "127.0.0.1", "[::1]"}:
        say(f"warning: {origin} is not encrypted: whoever is on the way can read the token, and everything else.")
