"""`/events/stream`: server-sent events for pages and programs."""

import json
import re
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from aliquot.engine import control
from aliquot.model.errors import Invalid
from aliquot.server.live.topics import GENERAL
from aliquot.server.people import still_in
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()

_RUN = re.compile(r"run-(\d{1,18})")
_MOST = 50
_ASK_AGAIN = 60.0
"""Seconds after which a stream looks whether its person is still signed in."""


@routes.raw("GET", "/events/stream", action="home.read")
def stream(visit: AVisit, topics: str = "") -> StreamingResponse:
    """Tell which of the topics (`runs,run-12`) move: an event with the topic's name, for each."""
    wanted = _wanted(visit, topics)
    headers = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
    return StreamingResponse(_events(visit, wanted), media_type="text/event-stream", headers=headers)


async def _events(visit: Visit, topics: frozenset[str]) -> AsyncIterator[str]:
    # Whoever comes back after a while has missed what moved meanwhile: the page then fetches everything once.
    yield "retry: 3000\nevent: open\ndata: {}\n\n"
    asked = time.monotonic()
    async for moved in visit.site.broadcast.listen(topics):
        if time.monotonic() - asked > _ASK_AGAIN:
            asked = time.monotonic()
            if not await run_in_threadpool(still_in, visit):
                return
        data = json.dumps({"at": time.time()})
        yield "".join(f"event: {each}\ndata: {data}\n\n" for each in sorted(moved)) or ": still here\n\n"


def _wanted(visit: Visit, topics: str) -> frozenset[str]:
    named = frozenset(topics.split(",")) - {""} or frozenset(GENERAL)
    if len(named) > _MOST:
        raise Invalid("topic-refused", f"A stream has up to {_MOST} topics; open several, or leave some out.")
    for each in named - set(GENERAL):
        found = _RUN.fullmatch(each)
        if found is None:
            known = ", ".join(GENERAL)
            raise Invalid("topic-refused", f"There is no topic {each!r}; there are: {known}, and run-N.", topic=each)
        with visit.read() as connection:
            visit.require("run.read", control.find_run(connection, int(found[1])).project, each)
    return named
