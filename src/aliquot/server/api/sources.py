"""`/api/v1/sources`: where files come from, for programs."""

from pydantic import BaseModel

from aliquot.lab.source_states import SourceState, source_states
from aliquot.lab.sources import require_source
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web import sources

routes = Routes("/api/v1")


class SourceList(BaseModel):
    """Sources by name."""

    sources: list[SourceState]


@routes.api("GET", "/sources", action="source.read")
def list_sources(visit: AVisit) -> SourceList:
    """List sources: how each stands, what came last, and what waits there or in quarantine."""
    with visit.read() as connection:
        return SourceList(sources=source_states(connection, visit.lab.sources, visit.projects("source.read")))


@routes.api("GET", "/sources/{name}", action="source.read")
def show_source(visit: AVisit, name: str) -> SourceState:
    """Show one source."""
    source = require_source(visit.lab, name, visit.projects("source.read"))
    with visit.read() as connection:
        return source_states(connection, {name: source})[0]


@routes.api("POST", "/sources/{name}/wake", action="source.wake", status=202)
def wake(visit: AVisit, name: str) -> SourceState:
    """Have a source looked at now; what is answered is how it stood before."""
    sources.wake_own(visit, name)
    with visit.read() as connection:
        return source_states(connection, {name: visit.lab.sources[name]})[0]
