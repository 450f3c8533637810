"""Signing in by the provider of `login.oidc`: to it, and back from it."""

import time
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from starlette.responses import RedirectResponse, Response

from aliquot.access import audit, throttle
from aliquot.access.by import nobody
from aliquot.access.known_elsewhere import Identity, bring_up_to_date, roles_of
from aliquot.access.people import Person
from aliquot.access.sessions import SignedIn, open_session
from aliquot.access.started import LASTS, come_back, spend, start
from aliquot.model.errors import AliquotError, Missing, NotSignedIn
from aliquot.server.people import keep_guest, keep_session
from aliquot.server.routes import PUBLIC, Routes, local_path
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.sign_in import sign_in_form

if TYPE_CHECKING:
    from aliquot.server.oidc.provider import Provider

routes = Routes()

_AFTER = "aliquot_after"
"""The cookie that remembers where somebody wanted to go."""
_BACK = "/login/provider/back"


@routes.raw("GET", "/login/provider", action=PUBLIC)
def to_provider(visit: AVisit, next: str = "/") -> Response:  # noqa: A002  # the query's name
    """Send somebody to the provider."""
    provider, after = _provider(visit), local_path(next)
    if visit.by.how == "session":
        return RedirectResponse(after, 303)
    try:
        there = provider.address(start(visit.request.state.guest), _ours(visit) + _BACK)
    except AliquotError as error:
        return _sorry(visit, error, after)
    response = RedirectResponse(there, 303)
    keep_guest(visit, response)
    response.set_cookie(
        _AFTER, quote(after)[:2000], max_age=int(LASTS), path="/login", secure=visit.site.settings.secure,
        httponly=True, samesite="lax",
    )  # fmt: skip
    return response


@routes.raw("GET", _BACK, action=PUBLIC)
def back_from_provider(visit: AVisit, code: str = "", state: str = "", error: str = "", iss: str = "") -> Response:
    """Open a session for whom the provider has proved."""
    provider, after = _provider(visit), local_path(unquote(visit.request.cookies.get(_AFTER, "/")))
    try:
        started = come_back(visit.request.state.guest, state)
        visit.steer(lambda connection: spend(connection, state))
        if error or not code or (iss and iss != provider.settings.issuer):
            words = "The provider has not signed you in; begin again, or ask who runs it why."
            raise NotSignedIn("identity-refused", words, reason="no code")
        identity = provider.identify(code, started, _ours(visit) + _BACK)
        signed = _signed_in(visit, provider, identity)
    except AliquotError as problem:
        return _sorry(visit, _noted(visit, provider, problem), after)
    response = RedirectResponse(after, 303)
    keep_session(response, visit.site.settings, signed.word, signed.expires_at - time.time())
    response.delete_cookie(_AFTER, path="/login")
    return response


@routes.raw("GET", "/logout/provider", action=PUBLIC)
def out_of_provider(visit: AVisit) -> Response:
    """Send somebody who has signed out here to where the provider's own session ends."""
    try:
        there = _provider(visit).ends_at(_ours(visit) + "/login")
    except AliquotError as error:
        return _sorry(visit, error, "/")
    return RedirectResponse(there or "/login", 303)


def _signed_in(visit: Visit, provider: "Provider", identity: Identity) -> SignedIn:
    roles = roles_of(identity.groups, provider.settings.groups)
    place, number = visit.by.place, visit.by.request
    agent = visit.request.headers.get("user-agent", "")
    # Two transactions: that somebody's roles are gone stays so, though they are not let in.
    person: Person | None = visit.steer(lambda connection: bring_up_to_date(connection, identity, roles, place, number))
    if person is None or not roles:
        words = "The provider knows you, but none of your groups has a role in this lab; ask an administrator of it."
        raise NotSignedIn("groups-without-role", words, person=person.name if person else identity.names[0])
    if person.disabled_at is not None:
        words = "This account is disabled; ask an administrator of the lab."
        raise NotSignedIn("sign-in-refused", words, person=person.name)
    return visit.steer(lambda connection: open_session(connection, person, visit.by, agent))


def _noted(visit: Visit, provider: "Provider", error: AliquotError) -> AliquotError:
    """Keep a failed sign-in in the audit, unless there were too many from there: that is the error then."""
    name = str(error.facts.get("person", ""))
    by = nobody(visit.by.place, visit.by.request, name)
    subject = f"person {name}" if name else f"provider {provider.settings.issuer}"
    after = {"reason": error.code, "provider": provider.settings.issuer}
    try:
        visit.steer(lambda connection: throttle.count_try(connection, {"place": by.place}))
    except AliquotError as too_often:
        return too_often
    outcome = "denied" if error.http_status < 500 else "failed"
    visit.steer(lambda connection: audit.append(connection, by, "sign in", subject, outcome=outcome, after=after))
    return error


def _sorry(visit: Visit, error: AliquotError, after: str) -> Response:
    response = sign_in_form(visit, after, error)
    if error.http_status == 503:
        response.headers["retry-after"] = "30"
    return response


def _provider(visit: Visit) -> "Provider":
    if visit.site.provider is None:
        words = "This lab has no provider that signs people in; aliquot.yaml would name it under 'login.oidc'."
        raise Missing("provider-missing", words)
    return visit.site.provider


def _ours(visit: Visit) -> str:
    # Without --url only this machine reaches the server, under the few names that the guard lets through.
    return visit.site.settings.url or f"http://{visit.request.url.netloc}"
