"""`/api/v1/quarantine`: what was refused, for programs."""

import time
from dataclasses import dataclass, fields
from typing import Annotated

from fastapi import Body, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from aliquot.access.approvals import Approval
from aliquot.datasets.commit import Committed
from aliquot.intake import quarantine, thread
from aliquot.intake.describe import Given
from aliquot.intake.quarantine import Held
from aliquot.intake.thread import Age, Event
from aliquot.lab import acts_data, door
from aliquot.lab.acts_resubmit import resubmit_uploads
from aliquot.server.api.uploads import Outcome
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web import quarantine as pages
from aliquot.server.web.quarantine import (
    PAGE,
    Limit,
    Order,
    Which,
    decide_release,
    page_of_held,
    project_of_held,
)

routes = Routes("/api/v1")


class HeldList(BaseModel):
    """What is in quarantine; `next` is the cursor of what follows, null at the end."""

    held: list[Held]
    next: str | None = Field(examples=["djE6MTI"])


class Ages(BaseModel):
    """What waits at each source, the one with the oldest first, and what waits longest, the oldest first."""

    sources: list[Age]
    longest: list[Held]


class Release(BaseModel):
    """Why it is let in after all, and into which dataset, where that is not the one that it was meant for."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"because": "the column was renamed", "into": "plates"}]}
    )

    because: str = Field(min_length=1, max_length=2000)
    into: str | None = None
    over_newer: bool = Field(False, description="Also in place of a newer file, which then goes.")
    described: dict[str, dict[str, str]] = Field(
        {}, description="By file type, the values that it asks for under `describe`; by an empty name for any type."
    )


@dataclass(frozen=True, slots=True)
class Released(Held):
    """What was let in, and the version in which it is; or what a second person is `asked` for."""

    committed: Committed | None = None
    asked: Approval | None = None


class Rejection(BaseModel):
    """Why it is kept out for good."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"because": "the instrument was not calibrated"}]}
    )

    because: str = Field(min_length=1, max_length=2000)


class Assignment(BaseModel):
    """Who shall decide about it; null: nobody in particular."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "vera"}, {"to": None}]})

    to: str | None = Field(min_length=1, max_length=100)


class Correction(BaseModel):
    """Which uploads take the place of what was refused, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"because": "typed anew", "uploads": ["5f1c0a4be0d94b6f8f0d7d7f0a6b1c2d"]}]
        },
    )  # fmt: skip

    because: str = Field(min_length=1, max_length=2000)
    uploads: list[str] = Field(min_length=1, max_length=1_000)
    described: dict[str, dict[str, str]] = Field(
        {}, description="By file type, the values that it asks for under `describe`; by an empty name for all types."
    )


@dataclass(frozen=True, slots=True)
class Thread:
    """What was done about it and about what it replaces, oldest first, and the number of what is in its place now."""

    events: list[Event]
    replaced_by: int | None


@routes.api("GET", "/quarantine", action="quarantine.read")
def list_held(
    visit: AVisit, state: Which = "WAITING", source: str = "", text: str = "", order: Order = "newest",
    cursor: str = "", limit: Limit = PAGE, assigned_to: str = "",
) -> HeldList:  # fmt: skip
    """List what was refused, with its findings."""
    found, following = page_of_held(visit, state, source, text, order, cursor, limit, assigned_to)
    return HeldList(held=found, next=following)


@routes.raw("GET", "/quarantine/zip", action="quarantine.read")
def send_zip(visit: AVisit, number: Annotated[list[int] | None, Query()] = None) -> Response:
    """Send refused files as a zip, each in a folder of its number, with its findings as a table and as JSON."""
    return pages.send_zip(visit, number)


@routes.api("GET", "/quarantine/ages", action="quarantine.read")
def show_ages(visit: AVisit, limit: Limit = 10) -> Ages:
    """Say what waits at each source and for how long, and what waits longest."""
    mine = visit.projects("quarantine.read")
    with visit.read() as connection:
        return Ages(sources=thread.ages(connection, time.time(), mine), longest=thread.longest(connection, limit, mine))


@routes.api("GET", "/quarantine/{number}", action="quarantine.read", project=project_of_held)
def show_held(visit: AVisit, number: int) -> Held:
    """Show one with all findings that are kept of it."""
    with visit.read() as connection:
        return quarantine.show(connection, number)


@routes.api("POST", "/quarantine/{number}/release", action="quarantine.release", project=project_of_held)
def release(visit: AVisit, number: int, wish: Annotated[Release, Body()]) -> Released:
    """Let it in after all; where a second person is asked for, it waits for one. Sent twice, it is a conflict."""
    described = {name or None: values for name, values in wish.described.items()}
    given = Given(described, visit.by.name) if described else None
    done = decide_release(visit, number, wish.because, wish.into or "", over_newer=wish.over_newer, given=given)
    with visit.read() as connection:
        held = quarantine.show(connection, number)
    known = {each.name: getattr(held, each.name) for each in fields(Held)}
    if isinstance(done, Committed):
        return Released(**known, committed=done)
    return Released(**known, asked=done)


@routes.api("POST", "/quarantine/{number}/reject", action="quarantine.reject", project=project_of_held)
def reject(visit: AVisit, number: int, wish: Annotated[Rejection, Body()]) -> Held:
    """Keep it out for good. Sent twice, it is a conflict."""
    acts_data.reject(visit.lab.catalogue, visit.by, number, wish.because)
    with visit.read() as connection:
        return quarantine.show(connection, number)


@routes.api("POST", "/quarantine/{number}/assign", action="quarantine.assign", project=project_of_held)
def assign(visit: AVisit, number: int, wish: Annotated[Assignment, Body()]) -> Held:
    """Say who shall decide."""
    door.assign(visit.lab, visit.by, number, wish.to)
    with visit.read() as connection:
        return quarantine.show(connection, number)


@routes.api(
    "POST", "/quarantine/{number}/resubmit", action="quarantine.resubmit", project=project_of_held, status=201
)  # fmt: skip
def resubmit(visit: AVisit, number: int, wish: Annotated[Correction, Body()]) -> Outcome:
    """Judge complete uploads in the place of what was refused; the same request again gives the same answer."""
    described = {name or None: values for name, values in wish.described.items()}
    found = resubmit_uploads(visit.lab, visit.by, number, wish.uploads, wish.because, described or None)
    return Outcome.model_validate(found)


@routes.api("GET", "/quarantine/{number}/thread", action="quarantine.read", project=project_of_held)
def show_thread(visit: AVisit, number: int) -> Thread:
    """Show who did what about it, when and why."""
    with visit.read() as connection:
        found = quarantine.show(connection, number)
        return Thread(thread.thread(connection, found), thread.replaced_by(connection, number))


@routes.raw(
    "GET", "/quarantine/{number}/content/{path:path}", action="quarantine.read", project=project_of_held
)  # fmt: skip
def send_file(visit: AVisit, number: int, path: str) -> Response:
    """Send a file as it came."""
    return pages.download(visit, number, path)
