"""Signing in and out by name and password, the one-time link, and how a browser shows the pages."""

import time
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Form
from starlette.responses import RedirectResponse, Response

from aliquot.access import links
from aliquot.access.sessions import SignedIn, end_session, open_session, sign_in
from aliquot.model.errors import AliquotError, Denied, Invalid, NotSignedIn
from aliquot.server.people import forget_session, keep_guest, keep_session
from aliquot.server.routes import PUBLIC, Routes, local_path
from aliquot.server.visit import AVisit, Visit

routes = Routes()

_YEAR = 365 * 86_400


@routes.raw("GET", "/login", action=PUBLIC)
def login_page(visit: AVisit, next: str = "/", out: str = "") -> Response:  # noqa: A002  # the query's name
    """Show the form."""
    if visit.by.how == "session":
        return RedirectResponse(local_path(next), 303)
    return sign_in_form(visit, local_path(next), out=bool(out))


@routes.form("/login", action=PUBLIC)
def login(
    visit: AVisit, name: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002  # the field's name
) -> Response:  # fmt: skip
    """Open a session."""
    require_passwords(visit)
    agent = visit.request.headers.get("user-agent", "")
    try:
        signed = sign_in(visit.lab.catalogue, name, password, visit.by.place, agent)
    except AliquotError as error:
        if error.http_status not in {401, 429}:
            raise
        return sign_in_form(visit, local_path(next), error, name)
    return _signed_in(visit, signed, local_path(next))


@routes.form("/logout", action=PUBLIC)
def logout(visit: AVisit) -> Response:
    """End the session."""
    if visit.by.session is not None:
        number = visit.by.session
        visit.steer(lambda connection: end_session(connection, visit.by, number))
    response = RedirectResponse("/login?out=1" if visit.site.provider else "/login", 303)
    forget_session(response, visit.site.settings)
    return response


@routes.raw("GET", "/welcome/{word}", action=PUBLIC)
def welcome_page(visit: AVisit, word: str) -> Response:
    """Show the form in which the person of a one-time link sets a password; of one that is over, the sign-in."""
    try:
        with visit.read() as connection:
            person = links.whose_link(connection, word)
    except NotSignedIn as error:
        return sign_in_form(visit, "/", error)
    return _welcome(visit, word, person.name)


@routes.form("/welcome/{word}", action=PUBLIC)
def welcome(
    visit: AVisit, word: str, password: Annotated[str, Form()] = "", again: Annotated[str, Form()] = ""
) -> Response:
    """Set the password, and open a session."""
    try:
        return _use_link(visit, word, password, again)
    except NotSignedIn as error:
        return sign_in_form(visit, "/", error)


@routes.form("/theme", action=PUBLIC)
def theme(visit: AVisit, theme: Annotated[str, Form()] = "") -> Response:
    """Remember in the browser whether its pages are light or dark."""
    back = urlsplit(visit.request.headers.get("referer", ""))
    response = RedirectResponse(local_path(back.path + (f"?{back.query}" if back.query else "")), 303)
    settings = visit.site.settings
    known = theme if theme in {"light", "dark"} else ""
    response.set_cookie(
        "aliquot_theme", known, max_age=_YEAR, path="/", secure=settings.secure, httponly=True, samesite="lax"
    )
    return response


def sign_in_form(
    visit: Visit, after: str, error: AliquotError | None = None, name: str = "", *, out: bool = False
) -> Response:
    """Show what one can sign in with; `out` says that somebody has just signed out."""
    status, login = error.http_status if error else 200, visit.lab.config.login
    response = visit.html(
        "login.html", status, error=error, next=after, name=name, out=out, passwords=login.passwords, oidc=login.oidc
    )
    keep_guest(visit, response)
    return response


def require_passwords(visit: Visit) -> None:
    """Refuse passwords in a lab whose people all sign in by a provider."""
    if not visit.lab.config.login.passwords:
        raise Denied("passwords-off", "Nobody signs in with a password here; use the other way of the sign-in page.")


def _welcome(visit: Visit, word: str, name: str, error: AliquotError | None = None) -> Response:
    status = error.http_status if error else 200
    response = visit.html("welcome.html", status, error=error, word=word, name=name)
    keep_guest(visit, response)
    return response


def _signed_in(visit: Visit, signed: SignedIn, after: str) -> Response:
    response = RedirectResponse(after, 303)
    keep_session(response, visit.site.settings, signed.word, signed.expires_at - time.time())
    return response


def _use_link(visit: Visit, word: str, password: str, again: str) -> Response:
    with visit.read() as connection:
        person = links.whose_link(connection, word)
    try:
        if password != again:
            raise Invalid("password-refused", "The two passwords differ; type the same one twice.")
        place, number = visit.by.place, visit.by.request
        visit.steer(lambda connection: links.use_link(connection, word, password, place, number))
    except Invalid as error:
        if error.code != "password-refused":
            raise
        return _welcome(visit, word, person.name, error)
    if person.issuer is not None or not visit.lab.config.login.passwords:
        # The password signs approvals; the provider alone lets this person in.
        return RedirectResponse("/login", 303)
    agent = visit.request.headers.get("user-agent", "")
    return _signed_in(visit, visit.steer(lambda connection: open_session(connection, person, visit.by, agent)), "/")
