"""What every request passes first: its id, the host it names, the size of its body; and what every answer carries."""

import re
import secrets
import time
from collections.abc import Sequence
from typing import Any

import anyio
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aliquot.lab.tracing import Request as TracedRequest
from aliquot.lab.tracing import traces
from aliquot.model.errors import Invalid
from aliquot.server.registered import SMALL, Registered
from aliquot.server.site import Site

log: Any = structlog.get_logger()

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
"""The content-security policy of pages: everything from here, nothing inline."""

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}


_GIVEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}", re.ASCII)
"""An id that somebody may give a request: it stands in logs and in the audit."""


_READ_ON = 16 << 20
_READ_ON_SECONDS = 5.0


class _Body:
    """Hands on a body up to so many bytes, and then nothing more of it."""

    def __init__(self, most: int, receive: Receive) -> None:
        self._left = most
        self._receive = receive
        self.too_large = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.too_large = True
            return {"type": "http.disconnect"}
        return message

    async def read_on(self) -> None:
        """Throw away what still comes, up to a bound: where it stayed unread, the asker would see no answer."""
        left = _READ_ON
        with anyio.move_on_after(_READ_ON_SECONDS):
            while left > 0:
                message = await self._receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return


class Guard:
    """Stands before the app."""

    def __init__(self, app: ASGIApp, site: Site, registered: Sequence[Registered]) -> None:
        self._app = app
        self.site = site
        settings = site.settings
        self._settings = settings
        self._hosts = settings.hosts
        self._larger = [
            (each.method, re.compile(re.sub(r"\{[^}]+\}", "[^/]+", each.path)), each.most)
            for each in registered
            if each.most != SMALL
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = scope["aliquot.request"] = _number(Headers(scope=scope))
        told = traces()
        if told is None:
            await self._serve(scope, receive, send, number, None)
            return
        # The name is the registered path, which is known at the end: what is typed into addresses may be secret.
        values = {"http.request.method": scope["method"], "aliquot.request": number}
        with told.request(scope["method"], Headers(scope=scope), values) as span:
            await self._serve(scope, receive, send, number, span)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, number: str, span: TracedRequest | None) -> None:
        began, status = time.perf_counter(), 0
        body = _Body(self._most(scope), receive)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._mark(MutableHeaders(scope=message), number)
            # Whatever the app makes of a body that was cut off, the answer is the one below.
            if not body.too_large:
                await send(message)

        with structlog.contextvars.bound_contextvars(request=number):
            try:
                await (self._refusal(scope) or self._app)(scope, body.receive, answer)
                if body.too_large:
                    body.too_large = False
                    await body.read_on()
                    await _too_large(number)(scope, receive, answer)
            finally:
                self._tell(scope, status, time.perf_counter() - began, span)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, number = Headers(scope=scope), scope["aliquot.request"]
        host = re.sub(r":\d+$", "", headers.get("host", "")).strip("[]")
        if self._hosts is not None and host not in self._hosts:
            words = f"This server does not answer as {host!r}; ask it by its address, or start it with --url."
            return _problem(400, Invalid("host-refused", words, host=host), number)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._most(scope):
            return _too_large(number)
        return None

    def _most(self, scope: Scope) -> int:
        found = (
            most for method, path, most in self._larger if method == scope["method"] and path.fullmatch(scope["path"])
        )
        return next(found, SMALL)

    def _mark(self, headers: MutableHeaders, number: str) -> None:
        headers["x-request-id"] = number
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("content-security-policy", POLICY)
        headers.setdefault("cache-control", "no-store")
        if self._settings.secure:
            headers.setdefault("strict-transport-security", "max-age=31536000")

    def _tell(self, scope: Scope, status: int, seconds: float, span: TracedRequest | None) -> None:
        route = scope.get("route")
        path = getattr(route, "path", None) or ("/static" if scope["path"].startswith("/static/") else "other")
        self.site.metrics.note_request(scope["method"], path, status, seconds)
        run = _run(scope, path)
        if span is not None:
            values: dict[str, str | int] = {"http.route": path} | ({} if run is None else {"aliquot.run": run})
            span.end(f"{scope['method']} {path}", status, values)
        # The path as it was registered, and no query: what is typed into addresses may be secret.
        facts = {} if run is None else {"run": run}
        log.info("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000, 1), **facts)


def _number(headers: Headers) -> str:
    """Give the request's id: the one that a proxy or a program has given it, if it is one, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _GIVEN.fullmatch(given) else secrets.token_hex(8)


def _run(scope: Scope, path: str) -> int | None:
    number = scope.get("path_params", {}).get("number")
    of_run = path.removeprefix("/api/v1").startswith("/runs/{number}")
    return int(number) if of_run and str(number).isdecimal() else None


def _too_large(number: str) -> Response:
    error = Invalid("body-too-large", "The body is larger than this address takes; send less.")
    return _problem(413, error, number)


def _problem(status: int, error: Invalid, number: str) -> Response:
    said = {
        "type": f"urn:aliquot:error:{error.code}", "title": error.family, "status": status, "detail": error.message,
        "code": error.code, "facts": error.facts, "request": number,
    }  # fmt: skip
    return JSONResponse(said, status, media_type="application/problem+json")
