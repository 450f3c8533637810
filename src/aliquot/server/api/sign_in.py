"""`/api/v1/sessions`: signing in with a name and a password, and out again, for programs that a person sits at."""

from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from aliquot.access.sessions import end_session, sign_in
from aliquot.server.routes import PUBLIC, Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.sign_in import require_passwords

routes = Routes("/api/v1")


class SignIn(BaseModel):
    """A name and a password."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "vera", "password": "…"}]})

    name: str = Field(max_length=100)
    password: str = Field(max_length=1024)


class OwnSession(BaseModel):
    """A session that was opened, with its word, which is shown once: it is the value of the session's cookie."""

    name: str = Field(examples=["vera"])
    word: str = Field(examples=["Zr8…"])
    expires_at: float


@routes.api("POST", "/sessions", action=PUBLIC, status=201)
def open_own(visit: AVisit, wish: Annotated[SignIn, Body()]) -> OwnSession:
    """Sign in. Requests that follow carry the word as the cookie `aliquot_session`, changes also `X-CSRF-Token`.

    As on pages, this takes a cookie `aliquot_guest` with its word in `X-CSRF-Token`, so that no other site can do it.
    Over https the names of both cookies begin with `__Host-`.
    """
    require_passwords(visit)
    agent = visit.request.headers.get("user-agent", "")
    signed = sign_in(visit.lab.catalogue, wish.name, wish.password, visit.by.place, agent)
    return OwnSession(name=signed.person.name, word=signed.word, expires_at=signed.expires_at)


@routes.api("POST", "/sessions/end", action="home.read", status=204, media="")
def end_own(visit: AVisit) -> Response:
    """Sign out: end the session with which this is asked; a token ends nothing."""
    if visit.by.session is not None:
        number = visit.by.session
        visit.steer(lambda connection: end_session(connection, visit.by, number))
    return Response(status_code=204)
