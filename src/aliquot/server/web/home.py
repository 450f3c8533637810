"""The front page: the lab at a glance."""

import time

from aliquot.lab.home import Glance, Seen, glance, start_of_day
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()


@routes.page("/", template="home.html", action="home.read", twin="/home.json")
def home(visit: AVisit) -> Glance:
    """Show what arrives, runs, is stuck, waits for a person, and what came of today."""
    with visit.read() as connection:
        return glance(connection, start_of_day(time.time()), seen_by(visit), visit.lab.config.sources)


def seen_by(visit: Visit) -> Seen:
    """Give the projects of which somebody sees the runs, receipts, quarantine and datasets."""
    return Seen(*(visit.projects(each) for each in ("run.read", "receipt.read", "quarantine.read", "dataset.read")))
