"""Errors as answers: problem+json for programs, a page or a fragment of one for people."""

from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from aliquot.access.by import unseen
from aliquot.access.rights import EVERYWHERE
from aliquot.model.errors import AliquotError, Denied, Invalid, Missing, NotSignedIn, Unavailable, Unseen
from aliquot.server.people import note_denied
from aliquot.server.site import site_of
from aliquot.server.visit import Visit

log: Any = structlog.get_logger()


class Problem(BaseModel):
    """An error as RFC 9457 has it, with its family, its stable code and its facts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:aliquot:error:run-missing", "title": "missing", "status": 404,
                    "detail": "There is no run 12.", "code": "run-missing", "facts": {"run": 12}, "request": "5f1c…",
                }
            ]
        }
    )  # fmt: skip

    type: str
    title: str
    status: int
    detail: str
    code: str
    facts: dict[str, Any]
    request: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words, "content": {"application/problem+json": {}}}
    for status, words in {
        401: "Nobody is signed in, or the token is not valid.",
        403: "The person or token may not do this.",
        404: "What was named is not there.",
        409: "Somebody else changed it meanwhile.",
        413: "The body is too large.",
        422: "What was given cannot be used.",
        429: "Tried too often.",
        500: "A fault of the server, or damage of what was stored.",
        503: "The database or the store is out of reach.",
    }.items()
}


OF_THE_LAB = frozenset(
    f"{what}-missing"
    for what in (
        "approval", "dataset", "pipeline", "project", "quarantine", "receipt", "run", "source", "table",
    )
) | {"dataset-unknown"}  # fmt: skip
"""Codes of what is looked for by names and numbers that all projects share."""


_FOR_A_PERSON = frozenset({
    "container-runtime-missing", "definition-unreadable", "extra-missing", "hub-full", "query-ended", "source-key-odd",
    "source-refused", "spool-full", "store-full", "upload-no-room",
})  # fmt: skip
"""Codes of what no waiting mends."""


class OurFault(AliquotError):
    """An exception that nothing foresaw."""

    family = "fault"
    exit_code = 70
    http_status = 500


def answer_errors(app: FastAPI) -> None:
    """Let the app answer each error in the way that its asker can read."""
    app.add_exception_handler(AliquotError, _aliquot)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PoolTimeout, _busy)
    app.add_exception_handler(ClientDisconnect, _cut_off)
    app.add_exception_handler(Exception, _ours)


async def _aliquot(request: Request, error: Exception) -> Response:
    from starlette.concurrency import run_in_threadpool

    assert isinstance(error, AliquotError)
    if isinstance(error, Denied | Unseen):
        await run_in_threadpool(note_denied, request, error)
    error = _as_told(request, error)
    if error.http_status >= 500:
        log.error("a request failed", code=error.code, reason=error.message)
    # Rendering a page reads the catalogue.
    return await run_in_threadpool(answer, request, error)


def _as_told(request: Request, error: AliquotError) -> AliquotError:
    """Give what somebody is told who may not see all of the lab: of a name that is not there nothing but that."""
    visit: Visit | None = getattr(request.state, "visit", None)
    if visit is None or not isinstance(error, Missing) or error.code not in OF_THE_LAB:
        return error
    # By what they are, whatever a token of theirs is for: the names are those of all projects.
    return error if visit.by.rights.sees(EVERYWHERE) else unseen()


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"place": ".".join(str(each) for each in found["loc"]), "message": found["msg"]} for found in error.errors()
    ]
    said = "; ".join(f"{each['place']}: {each['message']}" for each in problems[:5])
    return await _aliquot(
        request, Invalid("request-refused", f"The request cannot be used: {said}.", problems=problems)
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        words = "There is nothing at this address; look for it from the front page."
        return await _aliquot(request, Missing("address-missing", words))
    found = Invalid("request-refused", f"The request cannot be used: {error.detail}.")
    response = await _aliquot(request, found)
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


async def _busy(request: Request, _error: Exception) -> Response:
    words = "The server has more to do than it can; try again in a moment."
    return await _aliquot(request, Unavailable("server-busy", words))


async def _cut_off(request: Request, _error: Exception) -> Response:
    """Answer a body that was cut off, by who sent it or because it is too large: mostly nobody reads it any more."""
    return await _aliquot(request, Invalid("body-cut-off", "The body did not come whole; send it again."))


async def _ours(request: Request, error: Exception) -> Response:
    log.error("a fault of ours", error=f"{type(error).__name__}", exc_info=error)
    words = f"This is a fault of Aliquot, not yours. Its log has the details under the request {_id(request)}."
    return await _aliquot(request, OurFault("our-fault", words))


def answer(request: Request, error: AliquotError) -> Response:
    """Answer with an error, as JSON where a program asks."""
    status, headers = error.http_status, dict[str, str]()
    if isinstance(error, Unavailable) and error.code not in _FOR_A_PERSON:
        headers["retry-after"] = str(error.facts.get("seconds", 5))
    if _wants_json(request):
        if status == 401:
            headers["www-authenticate"] = 'Bearer realm="aliquot"'
        problem = Problem(
            type=f"urn:aliquot:error:{error.code}", title=error.family, status=status, detail=error.message,
            code=error.code, facts=_plain(error.facts), request=_id(request),
        )  # fmt: skip
        return JSONResponse(problem.model_dump(), status, headers, "application/problem+json")
    if isinstance(error, NotSignedIn):
        return _to_sign_in(request)
    visit: Visit | None = getattr(request.state, "visit", None)
    by, csrf = (visit.by, visit.csrf) if visit else (None, "")
    return site_of(request).renderer.error(request, by, csrf, error, headers)


def _to_sign_in(request: Request) -> Response:
    from urllib.parse import quote

    if "hx-request" in request.headers:
        return Response(status_code=200, headers={"hx-redirect": "/login"})
    there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    after = f"?next={quote(there)}" if request.method == "GET" and there != "/" else ""
    return RedirectResponse(f"/login{after}", 303)


def _wants_json(request: Request) -> bool:
    path, accept = request.url.path, request.headers.get("accept", "")
    return (
        path.startswith(("/api/", "/health/", "/metrics", "/events/"))
        or path == "/events"
        or path.endswith(".json")
        or ("application/json" in accept and "text/html" not in accept)
        or not site_of(request).settings.pages
    )


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    known = (str, int, float, bool, list, dict, type(None))
    return {name: value if isinstance(value, known) else str(value) for name, value in facts.items()}


def _id(request: Request) -> str:
    return request.scope.get("aliquot.request", "")
