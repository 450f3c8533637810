"""`/api/v1/status`: the lab at a glance, for programs."""

import time
from typing import Annotated

from fastapi import Query

from aliquot.lab.home import Glance, start_of_day
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.home import glance_of

routes = Routes("/api/v1")

Since = Annotated[float | None, Query(ge=0, lt=2**40, allow_inf_nan=False, description="Seconds since 1970.")]


@routes.api("GET", "/status", action="home.read")
def show_status(visit: AVisit, since: Since = None) -> Glance:
    """Say what has arrived since a time (by default today), what runs, is stuck, and waits for a person."""
    return glance_of(visit, start_of_day(time.time()) if since is None else since)
