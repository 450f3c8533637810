"""`/events`: programs elsewhere say that something may have arrived, and the sources that it concerns are looked at."""

import re
from collections.abc import Sequence

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from aliquot.access.by import refusal, unseen
from aliquot.intake import wake_azure
from aliquot.intake.wake_events import Asked, read_posted
from aliquot.intake.wakes import sources_of, wake
from aliquot.lab.sources import require_source
from aliquot.model.errors import Invalid
from aliquot.server.hooks import WAKE
from aliquot.server.rate import A_SECOND
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()
log = structlog.get_logger()

_ORIGIN = re.compile(r"[A-Za-z0-9.:_-]{1,255}|\*")


@routes.hook("OPTIONS", "/events", action=WAKE)
def allow(visit: AVisit) -> Response:
    """Tell a sender of CloudEvents that it may send them here, and how many a minute."""
    origin = visit.request.headers.get("webhook-request-origin", "")
    headers = {"allow": "OPTIONS, POST"}
    if origin:
        if not _ORIGIN.fullmatch(origin):
            raise Invalid("event-refused", "WebHook-Request-Origin is no name of a host.")
        headers |= {"webhook-allowed-origin": origin, "webhook-allowed-rate": str(A_SECOND * 60)}
    return Response(status_code=200, headers=headers)


@routes.hook("POST", "/events", action=WAKE)
async def receive(visit: AVisit) -> Response:
    """Have the sources looked at that events concern, and tell which those are."""
    body = await visit.request.body()
    return await run_in_threadpool(_obey, visit, body)


def _obey(visit: Visit, body: bytes) -> Response:
    headers = {name.lower(): text for name, text in visit.request.headers.items()}
    if headers.get("aeg-event-type", "").lower() == "subscriptionvalidation":
        code = wake_azure.validation_code(body)
        if code is None:
            raise Invalid("event-refused", "This asks for a validation and has no validationCode; subscribe again.")
        return JSONResponse({"validationResponse": code})
    if headers.get("x-amz-sns-message-type") == "SubscriptionConfirmation":
        # Nothing is fetched because somebody posts its address: a person confirms with what the log says.
        log.info(
            "SNS asks whether it may send events here; confirm it there", body=body[:4_000].decode(errors="replace")
        )
        return JSONResponse({"events": 0, "woken": [], "passed_over": 0})
    asked = read_posted(headers, body)
    woken = _wake(visit, asked)
    log.info("events came", events=asked.events, woken=woken or None, passed_over=asked.passed_over or None)
    return JSONResponse({"events": asked.events, "woken": woken, "passed_over": asked.passed_over})


def _wake(visit: Visit, asked: Asked) -> Sequence[str]:
    """Wake what the token may; where that is nothing of what was asked for, it is refused."""
    sources, mine = visit.lab.sources, visit.projects(WAKE)
    concerned = set(sources_of(asked.named, sources)) | set(asked.sources)
    allowed = sorted(
        name for name in concerned & sources.keys() if mine is None or sources[name].project in mine
    )  # fmt: skip
    if concerned and not allowed:
        name = min(concerned)
        if mine is None:
            require_source(visit.lab, name)
        if name not in sources:
            raise unseen()
        raise refusal(visit.by, WAKE, sources[name].project, f"source {name}")
    wake(visit.lab.catalogue, sources, allowed)
    return allowed
