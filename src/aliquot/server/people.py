"""Who a request comes from: a session's cookie or a token, and that a change was asked for by this site's own pages."""

import secrets
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from aliquot.access import audit
from aliquot.access.by import By, nobody
from aliquot.access.refused import note_refused
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.access.secret_words import form_word, is_form_word
from aliquot.access.sessions import by_session
from aliquot.access.tokens import by_token
from aliquot.model.errors import Denied, NotSignedIn, Unseen
from aliquot.server.settings import Settings
from aliquot.server.site import site_of
from aliquot.server.visit import Visit

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
FIELD = "csrf"
"""The name of the field in which a form carries its word."""
HEADER = "x-csrf-token"


def session_cookie(settings: Settings) -> str:
    """Name the session's cookie; over https so that no other host and no path can set it."""
    return "__Host-aliquot_session" if settings.secure else "aliquot_session"


def guest_cookie(settings: Settings) -> str:
    """Name the cookie that ties a sign-in form to the browser that it was given to."""
    return "__Host-aliquot_guest" if settings.secure else "aliquot_guest"


def visit_for(request: Request) -> Visit:
    """Find out who asks; a token that is not valid is refused, a session that has ended is nobody."""
    site, number = site_of(request), request.scope["aliquot.request"]
    place = request.client.host if request.client else ""
    guest = request.cookies.get(guest_cookie(site.settings)) or secrets.token_urlsafe(24)
    request.state.guest = guest
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind:
        if kind.lower() != "bearer":
            raise NotSignedIn("sign-in-needed", "Send a token as `Authorization: Bearer TOKEN`.")
        return Visit(request, by_token(site.lab.catalogue, token.strip(), place, number), "")
    word = request.cookies.get(session_cookie(site.settings))
    by = nobody(place, number)
    # Whether the server lives is not to hang on the database that knows who asks.
    if word and not request.url.path.startswith("/health/"):
        try:
            by = by_session(site.lab.catalogue, word, place, number)
        except NotSignedIn:
            word = None
    return Visit(request, by, form_word(word or guest))


async def require_own(request: Request, visit: Visit) -> None:
    """Refuse changes that another site's page has asked for; a token is sent by no page."""
    if request.method in _READS or visit.by.how == "token":
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if (site is not None and site not in {"same-origin", "none"}) or (
        origin is not None and not _is_own(request, origin)
    ):
        raise Denied("other-origin", "A page of another site has asked for this; do it on a page of this one.")
    given = request.headers.get(HEADER)
    if given is None and request.headers.get("content-type", "").startswith(_FORMS):
        field = (await request.form()).get(FIELD)
        given = field if isinstance(field, str) else None
    words = site_of(request).settings
    word = request.cookies.get(session_cookie(words)) if visit.by.how == "session" else None
    guest = request.cookies.get(guest_cookie(words))
    holder = word or guest
    if given is None or holder is None or not is_form_word(holder, given):
        raise Denied("form-outdated", "This form is of an earlier sign-in; load its page again, then send it.")


def _is_own(request: Request, origin: str) -> bool:
    said, own = urlsplit(origin), urlsplit(site_of(request).settings.url)
    if own.hostname and (said.scheme, said.netloc) == (own.scheme, own.netloc):
        return True
    return said.netloc == request.headers.get("host")


def keep_session(response: Response, settings: Settings, word: str, seconds: float) -> None:
    """Give a browser the word of its session."""
    response.set_cookie(
        session_cookie(settings), word, max_age=int(seconds), path="/", secure=settings.secure, httponly=True,
        samesite="lax",
    )  # fmt: skip


def keep_guest(visit: Visit, response: Response) -> None:
    """Give a browser that is not signed in what its sign-in form is tied to."""
    settings = visit.site.settings
    response.set_cookie(
        guest_cookie(settings), visit.request.state.guest, max_age=3600, path="/", secure=settings.secure,
        httponly=True, samesite="lax",
    )  # fmt: skip


def forget_session(response: Response, settings: Settings) -> None:
    """Take the word of its session from a browser."""
    response.delete_cookie(session_cookie(settings), path="/", secure=settings.secure, httponly=True, samesite="lax")


def still_may(visit: Visit, action: str, projects: Collection[str]) -> bool:
    """Say whether the person of a long request is signed in still, and may do this in all the projects."""
    try:
        by = visit_for(visit.request).by
    except NotSignedIn:
        return False
    return by.name == visit.by.name and all(by.may(action, each) for each in projects)


def note_denied(request: Request, error: Denied | Unseen) -> None:
    """Keep in the audit that something was refused, also where who asked is not told that it is there."""
    visit: Visit | None = getattr(request.state, "visit", None)
    by: By = visit.by if visit else nobody(request.client.host if request.client else "", _number(request))
    facts: dict[str, Any] = error.facts
    if isinstance(error, Unseen):
        if error.refused is None:
            return
        facts = dict(zip(("action", "project"), error.refused, strict=True))
    action, project = str(facts.get("action") or error.code), str(facts.get("project") or DEFAULT_PROJECT)
    catalogue = site_of(request).lab.catalogue
    subject = f"{request.method} {_path(request)}"[:300]
    if by.how == "nobody":
        note_refused(catalogue, by, action, subject)
        return
    catalogue.repeat(
        lambda connection: audit.append(connection, by, action, subject, project=project, outcome="denied")
    )


def _path(request: Request) -> str:
    """Give the path of a request, without the one-time word that it may hold."""
    word = request.path_params.get("word")
    return request.url.path.replace(word, "…") if word else request.url.path


def _number(request: Request) -> str:
    return request.scope.get("aliquot.request", "")
