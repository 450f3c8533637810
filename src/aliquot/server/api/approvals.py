"""`/api/v1/approvals`: what one person asks for and a second one signs, for programs."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from aliquot.access import approvals
from aliquot.access.approvals import Approval
from aliquot.lab.deciding import decide
from aliquot.lab.posted import Answer, Remember
from aliquot.server.answers import json_answer, plain_values
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import PAGE, Limit

routes = Routes("/api/v1")


class ApprovalList(BaseModel):
    """What was asked for, newest first; `next` is the cursor of what follows, null at the end."""

    approvals: list[Approval]
    next: str | None = Field(examples=["djE6MTI"])


class Decision(BaseModel):
    """The second person's decision, signed with the password of who is signed in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"decision": "approve", "password": "…", "because": "the blank is known to drift"}]
        },
    )

    decision: Literal["approve", "refuse"]
    password: str = Field(max_length=1024)
    because: str = Field(min_length=1, max_length=2000)


def project_of_approval(connection: Connection, path: Mapping[str, str]) -> str:
    """Find the project of what a path names."""
    return approvals.find(connection, whole_number(path["number"])).project


@routes.api("GET", "/approvals", action="approval.read")
def list_approvals(visit: AVisit, cursor: str = "", limit: Limit = PAGE, *, decided: bool = False) -> ApprovalList:
    """List what waits for a second person; with `decided`, what does not wait any more, too."""
    with visit.read() as connection:
        found = approvals.approvals(
            connection, waiting=not decided, limit=limit + 1, before=read_cursor(cursor),
            projects=visit.projects("approval.read"),
        )  # fmt: skip
    following = write_cursor(found[limit - 1].id) if len(found) > limit else None
    return ApprovalList(approvals=found[:limit], next=following)


@routes.api("GET", "/approvals/{number}", action="approval.read", project=project_of_approval)
def show_approval(visit: AVisit, number: str) -> Approval:
    """Show what was asked for, in full, and how it was decided."""
    with visit.read() as connection:
        return approvals.find(connection, whole_number(number))


@routes.api("POST", "/approvals/{number}/decide", action="approval.give", project=project_of_approval, makes=True)
def decide_approval(visit: AVisit, number: str, wish: Annotated[Decision, Body()]) -> Approval:
    """Sign as the second person: approve, and it is done, or refuse. Decided before, it is a conflict."""

    def work(remember: Remember) -> Answer:
        def also(connection: Connection, decided: Approval) -> None:
            remember(connection, said(decided))

        return said(decide(
            visit.lab, whole_number(number), visit.by.name, wish.password, wish.because,
            approve=wish.decision == "approve", by=visit.by, also=also,
        ))  # fmt: skip

    def said(decided: Approval) -> Answer:
        return Answer(200, plain_values(decided))

    # Of what is remembered nothing may come from the password, whose quick digest could be guessed.
    answer = visit.once_beside(f"{wish.decision} {wish.because}".encode(), work)
    return json_answer(visit.request, answer.document, answer.status)  # type: ignore[return-value]


@routes.api("POST", "/approvals/{number}/withdraw", action="approval.read", project=project_of_approval, makes=True)
def withdraw_approval(visit: AVisit, number: str) -> Approval:
    """Take back what one has asked for oneself; an administrator anything."""

    def work(connection: Connection) -> Answer:
        return Answer(200, plain_values(approvals.withdraw(connection, visit.by, whole_number(number))))

    answer = visit.once(b"", work)
    return json_answer(visit.request, answer.document, answer.status)  # type: ignore[return-value]
