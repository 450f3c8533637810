"""`/api/v1/quarantine/…/thread`: what was done about something that was refused."""

from dataclasses import dataclass

from aliquot.intake import quarantine, thread
from aliquot.intake.thread import Event
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.quarantine import project_of_held

routes = Routes("/api/v1")


@dataclass(frozen=True, slots=True)
class Thread:
    """What was done about something that was refused, oldest first, and what came in its place."""

    events: list[Event]
    replaced_by: int | None


@routes.api("GET", "/quarantine/{number}/thread", action="quarantine.read", project=project_of_held)
def show_thread(visit: AVisit, number: int) -> Thread:
    """Say what was done about it, and about what it replaces."""
    with visit.read() as connection:
        found = quarantine.show(connection, number)
        return Thread(thread.thread(connection, found), thread.replaced_by(connection, number))
