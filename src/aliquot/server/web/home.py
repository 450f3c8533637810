"""The front page: the lab at a glance."""

import time

from aliquot.lab.home import Glance, Seen, glance, start_of_day
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit

routes = Routes()


@routes.page("/", template="home.html", action="home.read", twin="/home.json")
def home(visit: AVisit) -> Glance:
    """Show what arrives, runs, is stuck, waits for a person, and what came of today."""
    seen = Seen(*(visit.projects(each) for each in ("run.read", "receipt.read", "quarantine.read", "dataset.read")))
    with visit.read() as connection:
        return glance(connection, start_of_day(time.time()), seen, visit.lab.config.sources)
