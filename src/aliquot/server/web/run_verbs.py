"""What people do with runs: end them, hold them, let them go first, try again what is parked, compare them."""

from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3
from fastapi import Form
from sqlalchemy import Connection

from aliquot.engine import control
from aliquot.engine.parked import chosen_causes
from aliquot.lab import acts_run
from aliquot.lab.compare import RunComparison, compare_runs
from aliquot.lab.kept import Told
from aliquot.lab.posted import Answer
from aliquot.lab.runs import RunLine, run_line, runs
from aliquot.model.errors import Invalid
from aliquot.server.answers import json_bytes
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.runs import doable, project_of_run

routes = Routes()

_OTHERS = 50
_NAMES = 100
"""Names of what differs in each way that the page knows; the API and the command line have all of them."""


@dataclass(frozen=True, slots=True)
class SteerPage:
    """A run that a person wants to end or to let go first."""

    run: RunLine
    priority: int
    may: list[str]


@dataclass(frozen=True, slots=True)
class ComparePage:
    """Two runs side by side, `other` None where there is no other yet; `others` are those of the same pipeline.

    `found` names the first of what differs, and is None on the page while runs of many tasks are compared; `at` says
    when they were, in seconds since 1970.
    """

    run: RunLine
    others: list[RunLine]
    other: int | None
    found: RunComparison | None
    equal: bool
    at: float | None


@routes.page("/runs/{number}/steer", template="steer.html", action="run.read", project=project_of_run)
def show_steer(visit: AVisit, number: int) -> SteerPage:
    """Ask before a run is ended, and for its priority."""
    with visit.read() as connection:
        row = control.find_run(connection, number)
    return SteerPage(run_line(row), row.priority, doable(visit, run_line(row), row.project))


@routes.page("/runs/{number}/compare", template="compare.html", action="run.read", project=project_of_run)
def show_comparison(visit: AVisit, number: int, other: str = "") -> ComparePage:
    """Compare a run with another one; by default with the one of its pipeline before it."""
    projects = visit.projects("run.read")
    with visit.read() as connection:
        row = control.find_run(connection, number)
        others = [
            each for each in runs(connection, row.pipeline, limit=_OTHERS, projects=projects) if each.run != number
        ]
        before = int(other) if other.isdecimal() and len(other) < 19 else None
        if other and before is None:
            raise Invalid("run-refused", f"{other[:50]!r} is not the number of a run.", run=other[:50])
        if before is None:
            earlier = runs(connection, row.pipeline, limit=1, before=number, projects=projects)
            before = earlier[0].run if earlier else None
        else:
            visit.require("run.read", control.find_run(connection, before).project, f"run {before}")
    told = _compared(visit, before, number) if before is not None else None
    found = told and told.answer
    return ComparePage(
        run_line(row), others, before, found, equal=bool(found and found.comparison.equal), at=told and told.at
    )


def _compared(visit: Visit, before: int, number: int) -> Told[RunComparison] | None:
    lab = visit.lab
    kept = visit.site.comparisons.of((before, number), lambda: compare_runs(lab, before, number, _NAMES))
    return kept.look() if visit.program else kept.glance()


@routes.form("/runs/{number}/cancel", action="run.cancel", project=project_of_run)
def cancel_run(visit: AVisit, number: int) -> str:
    """End a run with everything that it has started."""
    visit.steer(lambda connection: acts_run.cancel(connection, visit.by, number))
    return f"/runs/{number}"


@routes.form("/runs/{number}/pause", action="run.cancel", project=project_of_run)
def pause_run(visit: AVisit, number: int) -> str:
    """Let no new task of a run start."""
    visit.steer(lambda connection: acts_run.pause(connection, visit.by, number))
    return f"/runs/{number}"


@routes.form("/runs/{number}/resume", action="run.cancel", project=project_of_run)
def resume_run(visit: AVisit, number: int) -> str:
    """Let a paused run go on."""
    visit.steer(lambda connection: acts_run.resume(connection, visit.by, number))
    return f"/runs/{number}"


@routes.form("/runs/{number}/priority", action="run.prioritise", project=project_of_run)
def prioritise_run(visit: AVisit, number: int, priority: Annotated[int, Form()]) -> str:
    """Let a run's tasks start before those of others."""
    visit.steer(lambda connection: acts_run.prioritise(connection, visit.by, number, priority))
    return f"/runs/{number}"


@routes.form("/runs/{number}/retry", action="run.retry", project=project_of_run)
def retry_run(
    visit: AVisit, number: int, task: Annotated[list[str] | None, Form()] = None,
    cause: Annotated[list[str] | None, Form()] = None, once: Annotated[str, Form(max_length=100)] = "",
) -> str:  # fmt: skip
    """Try again what is parked: all of it, what is named, or what failed by a cause."""
    names, causes = task or [], cause or []
    body = json_bytes({"tasks": names, "causes": causes})

    def work(connection: Connection) -> Answer:
        new, _ = acts_run.retry(connection, visit.by, number, names, chosen_causes(causes))
        return Answer(303, {"run": new})

    done = visit.once(body, work, form_key(once, body))
    return f"/runs/{done.document['run']}"


def form_key(once: str, body: bytes) -> str | None:
    """Give the key of a form that must not do its work twice: what the page was when it was made, and what it says."""
    return f"form-{once}-{blake3(body).hexdigest()[:24]}" if once.isprintable() and once else None
