"""Sources: where files come from, how each stands, what waits there; and having one looked at now."""

from dataclasses import dataclass

from aliquot.intake.receipts import Receipt, Wanted, find
from aliquot.lab.source_states import SourceState, source_states
from aliquot.lab.sources import require_source, wake_now
from aliquot.model.lab_config import Accept
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()

_LAST = 10


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources whose arrivals a person may see."""

    sources: list[SourceState]


@dataclass(frozen=True, slots=True)
class SourcePage:
    """One source, what it accepts, and what came last, newest first. `may_wake`: this person may have it looked at."""

    source: SourceState
    accept: list[Accept]
    receipts: list[Receipt]
    may_wake: bool


@routes.page("/sources", template="sources.html", action="source.read")
def list_sources(visit: AVisit) -> Sources:
    """Show the sources, what came last from each, and what waits."""
    with visit.read() as connection:
        return Sources(source_states(connection, visit.lab.sources, visit.projects("source.read")))


@routes.page("/sources/{name}", template="source.html", action="source.read")
def show_source(visit: AVisit, name: str) -> SourcePage:
    """Show how a source stands, what waits there, and what came last."""
    source = require_source(visit.lab, name, visit.projects("source.read"))
    with visit.read() as connection:
        (state,) = source_states(connection, {name: source})
        seen = visit.projects("receipt.read")
        last = find(connection, Wanted(source=name, projects=seen), _LAST)
    return SourcePage(state, list(source.accept), last, visit.may("source.wake", source.project))


@routes.form("/sources/{name}/wake", action="source.wake")
def wake(visit: AVisit, name: str) -> str:
    """Have it looked at now."""
    wake_own(visit, name)
    return f"/sources/{name}"


def wake_own(visit: Visit, name: str) -> None:
    """Have a source looked at that the person may see or wake; of others they are not told whether they are there."""
    seen, mine = visit.projects("source.read"), visit.projects("source.wake")
    require_source(visit.lab, name, None if seen is None or mine is None else seen | mine, "source.wake")
    wake_now(visit.lab, visit.by, name)
