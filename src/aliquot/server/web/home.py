"""The front page: the lab at a glance."""

import time
from dataclasses import replace

from aliquot.lab.home import Glance, Seen, glance, start_of_day
from aliquot.lab.hub_reader import advice
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()


@routes.page("/", template="home.html", action="home.read", twin="/home.json")
def home(visit: AVisit) -> Glance:
    """Show what arrives, runs, is stuck, waits for a person, and what came of today."""
    return glance_of(visit, start_of_day(time.time()))


def glance_of(visit: Visit, since: float) -> Glance:
    """Look at what somebody may see; what to do about settings is for those who may read them."""
    with visit.read() as connection:
        found = glance(connection, since, seen_by(visit), visit.lab.config.sources)
    return replace(found, advice=advice(visit.lab)) if visit.may("lab.read") else found


def seen_by(visit: Visit) -> Seen:
    """Give the projects of which somebody sees the runs, receipts, quarantine and datasets."""
    return Seen(*(visit.projects(each) for each in ("run.read", "receipt.read", "quarantine.read", "dataset.read")))
