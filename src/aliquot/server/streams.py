"""`/events/stream`, `/events/runs/…`: server-sent events for pages and programs."""

import json
import re
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from aliquot.engine import control
from aliquot.model.errors import Invalid
from aliquot.server.live.broadcast import AWAY
from aliquot.server.live.topics import GENERAL, has_moved, topic_of_run
from aliquot.server.paths import whole_number
from aliquot.server.people import still_may
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.runs import project_of_run

routes = Routes()

_RUN = re.compile(r"run-(\d{1,18})")
_HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
_MOST = 50
_ASK_AGAIN = 60.0
"""Seconds after which a stream looks whether its person is still signed in, and may still see what it tells of."""


@routes.raw("GET", "/events/stream", action="home.read")
def stream(visit: AVisit, topics: str = "") -> StreamingResponse:
    """Tell which of the topics (`runs,run-12`) move: an event with the topic's name, for each."""
    wanted, projects = _wanted(visit, topics)
    return StreamingResponse(_events(visit, wanted, projects), media_type="text/event-stream", headers=_HEADERS)


async def _events(visit: Visit, topics: frozenset[str], projects: frozenset[str]) -> AsyncIterator[str]:
    # Whoever comes back after a while has missed what moved meanwhile: the page then fetches everything once. Of a new
    # page it is told what moved how many seconds ago: it may have been made before that.
    asked, opened = time.monotonic(), False
    async for moved in visit.site.broadcast.listen(topics):
        if not opened:
            opened = True
            lately = json.dumps(visit.site.broadcast.moved_lately(topics))
            yield f"retry: 3000\nevent: open\ndata: {lately}\n\n"
            continue
        if time.monotonic() - asked > _ASK_AGAIN:
            asked = time.monotonic()
            if not await run_in_threadpool(still_may, visit, "run.read", projects):
                return
        data = json.dumps({"at": time.time()})
        yield "".join(f"event: {each}\ndata: {data}\n\n" for each in sorted(moved)) or ": still here\n\n"


@routes.raw("GET", "/events/runs/{number}", action="run.read", project=project_of_run)
def stream_run(visit: AVisit, number: str) -> StreamingResponse:
    """Tell each time that a run moves; who comes back with Last-Event-ID hears at once whether it has meanwhile."""
    last = visit.request.headers.get("last-event-id", "")
    since = int(last) if last.isdecimal() and len(last) < 19 else None
    with visit.read() as connection:
        project = project_of_run(connection, {"number": number})
    events = _run_events(visit, whole_number(number), project, since)
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


async def _run_events(visit: Visit, number: int, project: str, since: int | None) -> AsyncIterator[str]:
    asked, opened, broadcast = time.monotonic(), False, visit.site.broadcast
    async for moved in broadcast.listen({topic_of_run(number)}):
        if not opened:
            opened = True
            again = since is not None and await run_in_threadpool(_has_moved, visit, number, since)
            yield f"retry: 3000\nid: {broadcast.newest}\nevent: {'moved' if again else 'open'}\ndata: {{}}\n\n"
            continue
        if time.monotonic() - asked > _ASK_AGAIN:
            asked = time.monotonic()
            if not await run_in_threadpool(still_may, visit, "run.read", {project}):
                return
        if AWAY in moved:
            yield f"event: {AWAY}\ndata: {{}}\n\n"
        elif moved:
            yield f"id: {broadcast.newest}\nevent: moved\ndata: {{}}\n\n"
        else:
            yield ": still here\n\n"


def _has_moved(visit: Visit, number: int, since: int) -> bool:
    with visit.read() as connection:
        return has_moved(connection, number, since)


def _wanted(visit: Visit, topics: str) -> tuple[frozenset[str], frozenset[str]]:
    """Give the topics that are asked for, and the projects of the runs among them."""
    projects: set[str] = set()
    named = frozenset(topics.split(",")) - {""} or frozenset(GENERAL)
    if len(named) > _MOST:
        raise Invalid("topic-refused", f"A stream has up to {_MOST} topics; open several, or leave some out.")
    for each in named - set(GENERAL):
        found = _RUN.fullmatch(each)
        if found is None:
            known = ", ".join(GENERAL)
            raise Invalid("topic-refused", f"There is no topic {each!r}; there are: {known}, and run-N.", topic=each)
        with visit.read() as connection:
            project = control.find_run(connection, int(found[1])).project
        visit.require("run.read", project, each)
        projects.add(project)
    return named, frozenset(projects)
