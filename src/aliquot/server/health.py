"""Whether the server lives, whether it can work, and its numbers for Prometheus."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select
from starlette.responses import JSONResponse, Response

from aliquot.lab import Lab
from aliquot.model.errors import AliquotError, Missing, Unavailable
from aliquot.server.routes import PUBLIC, Routes
from aliquot.server.visit import AVisit

routes = Routes()

_PATIENCE = 3.0
"""Seconds: the store's own client tries for a minute, and whoever asks for health has gone by then."""
_side = ThreadPoolExecutor(2, "health")


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether something could be reached, and in how many seconds."""

    ok: bool
    seconds: float


@routes.raw("GET", "/health/live", action=PUBLIC)
def live(visit: AVisit) -> Response:
    """Say that the process answers."""
    del visit
    return JSONResponse({"live": True})


@routes.raw("GET", "/health/ready", action=PUBLIC)
def ready(visit: AVisit) -> Response:
    """Say whether database and store can be reached: 503 where one cannot, without saying why to just anybody."""
    parts = {"database": reach_database(visit.lab), "store": reach_store(visit.lab)}
    ok = all(each.ok for each in parts.values())
    return JSONResponse({"ready": ok, **{name: each.ok for name, each in parts.items()}}, 200 if ok else 503)


@routes.raw("GET", "/metrics", action="lab.read")
def metrics(visit: AVisit) -> Response:
    """Give the numbers, in Prometheus' text format."""
    return Response(visit.site.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def reach_database(lab: Lab) -> Reached:
    """Ask the catalogue for nothing."""
    began = time.perf_counter()
    try:
        with lab.catalogue.read() as connection:
            connection.execute(select(1))
    except AliquotError:
        return Reached(ok=False, seconds=time.perf_counter() - began)
    return Reached(ok=True, seconds=time.perf_counter() - began)


def reach_store(lab: Lab) -> Reached:
    """Ask the store whether it is there."""
    began = time.perf_counter()
    try:
        _side.submit(_find_nothing, lab).result(_PATIENCE)
    except (AliquotError, OSError, TimeoutError):
        return Reached(ok=False, seconds=time.perf_counter() - began)
    return Reached(ok=True, seconds=time.perf_counter() - began)


def _find_nothing(lab: Lab) -> None:
    objects = lab.store.objects
    if objects.root is not None and not objects.root.is_dir():
        raise Unavailable("store-unavailable", f"The store's folder {objects.root} is gone; bring it back.")
    with suppress(Missing):
        objects.size_of("health/nothing")
