"""`/api/v1/runs/…`: what is parked in a run and what was tried, as the command line asks for it."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from aliquot.engine.parked import chosen_causes
from aliquot.lab import acts_run
from aliquot.lab.posted import Answer
from aliquot.lab.run_tries import parked_of, tries_of
from aliquot.lab.runs import AttemptLine, TaskLine
from aliquot.server.answers import json_answer
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.runs import PAGE, Limit, project_of_run

routes = Routes("/api/v1")

Name = Annotated[str, Query(max_length=200)]


class ParkedList(BaseModel):
    """Parked tasks; `counts` says how many there are by cause in all, `tried` are the attempts of the one named."""

    counts: dict[str, int] = Field(examples=[{"user": 2, "oom": 1}])
    tasks: list[TaskLine]
    tried: list[AttemptLine]
    next: str | None


class AttemptList(BaseModel):
    """Attempts of tasks in order; `next` is the cursor of what follows, null at the end."""

    attempts: list[AttemptLine]
    next: str | None


class Recomputed(BaseModel):
    """The runs that make again what was swept."""

    runs: list[int] = Field(examples=[[12]])


@routes.api("GET", "/runs/{number}/parked", action="run.read", project=project_of_run)
def list_parked(
    visit: AVisit, number: int, task: Name = "", cause: Annotated[list[str] | None, Query(max_length=10)] = None,
    cursor: str = "", limit: Limit = PAGE,
) -> ParkedList:  # fmt: skip
    """List what is parked in a run with the last lines of each, all of it or what failed by some causes."""
    causes = chosen_causes(cause or ())
    with visit.read() as connection:
        found = parked_of(connection, number, task or None, causes, start=read_cursor(cursor) or 0, limit=limit)
    following = None if found.next is None else write_cursor(found.next)
    return ParkedList(counts=found.counts, tasks=found.tasks, tried=found.tried, next=following)


@routes.api("GET", "/runs/{number}/attempts", action="run.read", project=project_of_run)
def list_attempts(visit: AVisit, number: int, task: Name = "", cursor: str = "", limit: Limit = PAGE) -> AttemptList:
    """List the attempts of a run's tasks, or of one of them."""
    with visit.read() as connection:
        found = tries_of(connection, number, task or None, after=read_cursor(cursor) or 0, limit=limit)
    following = None if found.next is None else write_cursor(found.next)
    return AttemptList(attempts=found.attempts, next=following)


@routes.api("POST", "/runs/{number}/recompute", action="run.start", project=project_of_run, status=201, makes=True)
def recompute_run(visit: AVisit, number: int) -> Recomputed:
    """Make the outputs of a run again that were swept to free space."""

    def work(connection: Connection) -> Answer:
        return Answer(201, {"runs": acts_run.recompute(connection, visit.by, number)})

    answer = visit.once(b"", work)
    return json_answer(visit.request, answer.document, answer.status)  # type: ignore[return-value]
