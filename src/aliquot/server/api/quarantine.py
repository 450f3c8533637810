"""`/api/v1/quarantine`: what was refused, for programs."""

from dataclasses import dataclass, fields
from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field

from aliquot.access.approvals import Approval
from aliquot.datasets.commit import Committed
from aliquot.intake import quarantine
from aliquot.intake.describe import Given
from aliquot.intake.quarantine import Held
from aliquot.lab import acts_data
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
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


@routes.api("GET", "/quarantine", action="quarantine.read")
def list_held(
    visit: AVisit, state: Which = "WAITING", source: str = "", text: str = "", order: Order = "newest",
    cursor: str = "", limit: Limit = PAGE, assigned_to: str = "",
) -> HeldList:  # fmt: skip
    """List what was refused, with its findings."""
    found, following = page_of_held(visit, state, source, text, order, cursor, limit, assigned_to)
    return HeldList(held=found, next=following)


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
