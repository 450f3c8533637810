"""The front page: the lab at a glance."""

import time
from datetime import datetime

from aliquot.lab.home import Glance, Seen, glance
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit

routes = Routes()


@routes.page("/", template="home.html", action="home.read", twin="/home.json")
def home(visit: AVisit) -> Glance:
    """Show what arrives, runs, is stuck, waits for a person, and what came of today."""
    seen = Seen(*(visit.projects(each) for each in ("run.read", "receipt.read", "quarantine.read", "dataset.read")))
    with visit.read() as connection:
        return glance(connection, start_of_day(time.time()), seen)


def start_of_day(now: float) -> float:
    """Give when the day of a time began, where the server is."""
    return datetime.fromtimestamp(now).astimezone().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
