"""`/api/v1/tokens`: what programs sign in with."""

from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from aliquot.access import tokens
from aliquot.access.tokens import DEFAULT_DAYS, MOST_DAYS, Token
from aliquot.lab.posted import Answer
from aliquot.lab.projects import require_project
from aliquot.server.answers import json_answer, json_bytes, plain_values
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.administration import end_permitted
from aliquot.server.web.datasets import PAGE, Limit

routes = Routes("/api/v1")

EVERYBODY = "*"


class TokenList(BaseModel):
    """Tokens, newest first, without their words; `next` is the cursor of what follows, null at the end."""

    tokens: list[Token]
    next: str | None = Field(examples=["djE6MTI"])


class NewToken(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "plate reader 2", "scope": ["dataset.ingest"], "project": "assays"}]},
    )

    name: str = Field(min_length=1, max_length=200, description="What it is for.")
    scope: list[str] = Field(min_length=1, max_length=100, description="Actions that it may do, all of its person's.")
    project: str | None = Field(None, max_length=200, description="Only there; null: wherever the person may.")
    days: float = Field(DEFAULT_DAYS, gt=0, le=MOST_DAYS, allow_inf_nan=False)
    user: str | None = Field(None, max_length=100, description="Whose it is, by an administrator; null: one's own.")


class MadeToken(BaseModel):
    """A new token with its word, which is shown once: the same request sent again gets null."""

    token: Token
    word: str | None = Field(examples=["aliquot_Zr8…"])


@routes.api("GET", "/tokens", action="account.own")
def list_tokens(
    visit: AVisit, user: str | None = None, cursor: str = "", limit: Limit = PAGE, *, ended: bool = False
) -> TokenList:  # fmt: skip
    """List one's own tokens; as an administrator those of a `user`, or of everybody with `*`."""
    if user not in {None, visit.by.name}:
        visit.require("people.manage", subject="tokens")
    of = visit.by.name if user is None else user
    with visit.read() as connection:
        found = tokens.tokens(
            connection, None if of == EVERYBODY else of, ended=ended, before=read_cursor(cursor), limit=limit + 1
        )
    following = write_cursor(found[limit - 1].id) if len(found) > limit else None
    return TokenList(tokens=found[:limit], next=following)


@routes.api("POST", "/tokens", action="account.own", status=201, makes=True)
def make_token(visit: AVisit, wish: Annotated[NewToken, Body()]) -> MadeToken:
    """Make a token of one's own, or as an administrator one of somebody else; its word is shown once."""
    of = wish.user or visit.by.name
    if of != visit.by.name:
        visit.require("people.manage", subject=f"person {of}")
    only = require_project(visit.lab, wish.project) if wish.project else None
    words = list[str]()

    def work(connection: Connection) -> Answer:
        word, made = tokens.make_token(connection, visit.by, of, wish.name, wish.scope, only, wish.days)
        words.append(word)
        return Answer(201, plain_values(made))

    answer = visit.once(json_bytes(wish), work)
    # The word is no part of what is remembered of the request: nothing keeps it but its digest.
    word = words[-1] if words and not answer.again else None
    return json_answer(visit.request, {"token": answer.document, "word": word}, 201)  # type: ignore[return-value]


@routes.api("DELETE", "/tokens/{number}", action="account.own")
def end_token(visit: AVisit, number: str) -> Token:
    """End a token at once: one's own, or as an administrator anybody's."""
    return end_permitted(visit, whole_number(number))
