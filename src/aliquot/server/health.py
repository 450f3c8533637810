"""Whether the server lives, whether it can work, and its numbers for Prometheus."""

from starlette.responses import JSONResponse, Response

from aliquot.server.reach import reach_database, reach_store
from aliquot.server.routes import PUBLIC, Routes
from aliquot.server.visit import AVisit

routes = Routes()


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
