"""Registering routes: each names its action from the table of rights, and one without cannot be registered."""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse

from aliquot.access.by import refusal
from aliquot.access.rights import RIGHTS
from aliquot.server.answers import json_answer
from aliquot.server.hooks import visit_for_hook
from aliquot.server.paths import whole_number
from aliquot.server.people import require_own, visit_for
from aliquot.server.plain import require_plain
from aliquot.server.problems import PROBLEMS
from aliquot.server.registered import JSON, SMALL, ProjectOf, Registered, Said
from aliquot.server.visit import Visit

PUBLIC = "public"
"""The action of the few routes that anybody may ask: signing in, what the sign-in page is made of, whether it lives."""

API = "/api/v1"
"""Where the addresses of programs begin."""

_PLAIN = Said()

Function = Callable[..., Any]

_NUMBERS = frozenset({"number", "other", "ordinal", "attempt"})
"""Parts of paths that are numbers; a database is asked for none that it could not keep."""


@dataclass(slots=True)
class Routes:
    """The routes of one noun."""

    prefix: str = ""
    router: APIRouter = field(default_factory=APIRouter)
    registered: list[Registered] = field(default_factory=list[Registered])

    def page(
        self, path: str, *, template: str, action: str, project: ProjectOf | None = None, twin: str = ""
    ) -> Callable[[Function], Function]:
        """Register a page and its twin `PATH.json`, from one function that gives a plain model."""

        def register(function: Function) -> Function:
            @wraps(function)
            def document(**values: Any) -> Response:
                return json_answer(_visit(values).request, function(**values))

            @wraps(function)
            def page(**values: Any) -> Response:
                visit = _visit(values)
                model = function(**values)
                return visit.site.renderer.page(visit.request, visit.by, visit.csrf, template, model)

            # The twin first: the path of the page would take `12.json` for a value.
            self._add("GET", twin or f"{path}.json", document, "twin", action, project, said=Said(_model(function)))
            self._add("GET", path, page, "page", action, project)
            return function

        return register

    def form(
        self, path: str, *, action: str, project: ProjectOf | None = None, most: int = SMALL
    ) -> Callable[[Function], Function]:
        """Register what a form does; the function gives the address of this server that the browser goes to then."""

        def register(function: Function) -> Function:
            @wraps(function)
            def change(**values: Any) -> Response:
                done = function(**values)
                return done if isinstance(done, Response) else RedirectResponse(local_path(done), 303)

            self._add("POST", path, change, "form", action, project, most)
            return function

        return register

    def api(
        self, method: str, path: str, *, action: str, project: ProjectOf | None = None, status: int = 200,
        most: int = SMALL, makes: bool = False, media: str = JSON,
    ) -> Callable[[Function], Function]:  # fmt: skip
        """Register a route for programs, under `/api/v1`; the function gives a model, or a response as it is.

        `makes` says that it makes something, in `visit.once`; `media` the kind of a response that is no JSON.
        """

        def register(function: Function) -> Function:
            @wraps(function)
            def answer(**values: Any) -> Response:
                found = function(**values)
                return found if isinstance(found, Response) else json_answer(_visit(values).request, found, status)

            model = _model(function)
            said = Said(model, status, media, makes=makes)
            self._add(method, path, answer, "api", action, project, most, said)
            return function

        return register

    def raw(
        self, method: str, path: str, *, action: str, project: ProjectOf | None = None, most: int = SMALL,
        status: int = 200, media: str = "application/octet-stream", makes: bool = False, example: str = "",
    ) -> Callable[[Function], Function]:  # fmt: skip
        """Register a route whose function gives a response by itself: streams, downloads, pictures.

        `media` is their kind where the API's description has it, empty for an answer without bytes; `makes` says that
        it remembers its answer for an Idempotency-Key. `example` is one of what it gives.
        """

        def register(function: Function) -> Function:
            self._add(
                method,
                path,
                function,
                "raw",
                action,
                project,
                most,
                Said(None, status, media, makes=makes, example=example),
            )
            return function

        return register

    def hook(self, method: str, path: str, *, action: str) -> Callable[[Function], Function]:
        """Register what programs elsewhere post to: a token is asked for, which may stand in the address."""

        def register(function: Function) -> Function:
            self._add(method, path, function, "hook", action, None)
            return function

        return register

    def _add(
        self, method: str, path: str, endpoint: Function, kind: str, action: str, project: ProjectOf | None,
        most: int = SMALL, said: Said = _PLAIN,
    ) -> None:  # fmt: skip
        if action != PUBLIC and action not in RIGHTS:
            raise TypeError(f"{method} {path}: no row of access/rights.py has the action {action!r}")
        full = self.prefix + path
        described = full.startswith(API) and kind in {"api", "raw"}
        self.registered.append(Registered(method, full, action, kind, project, most, said))
        self.router.add_api_route(
            full, endpoint, methods=[method], response_model=said.model, status_code=said.status,
            include_in_schema=described, responses=PROBLEMS if described else None,
            route_class_override=_checked(_check(action, project, kind)),
        )  # fmt: skip


def _checked(check: Function) -> type[APIRoute]:
    """Make the kind of a route that is checked before anything of the request's body is read.

    A dependency would be too late: a form is read, and its files are written to disk, before dependencies are asked.
    """

    class Checked(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handle_checked(request: Request) -> Response:
                await check(request)
                return await handle(request)

            return handle_checked

    return Checked


def _check(action: str, project: ProjectOf | None, kind: str) -> Function:
    """Make the check that runs before a route's function: who is it, and may they."""

    async def check(request: Request) -> None:
        # Kept before the form's word is looked at: a refusal is noted under the name of who asked.
        find = visit_for_hook if kind == "hook" else visit_for
        visit = request.state.visit = await run_in_threadpool(find, request)
        # Before the form's word, which stands in a body that may be large: nobody fills a disk who may not send it.
        await require_plain(request, body=False)
        await run_in_threadpool(_require, visit, action, project)
        for name in _NUMBERS & request.path_params.keys():
            whole_number(request.path_params[name])
        await require_own(request, visit)
        await require_plain(request, body=kind == "api")

    return check


def _require(visit: Visit, action: str, project: ProjectOf | None) -> None:
    if action == PUBLIC:
        return
    right, request = RIGHTS[action], visit.request
    if project is not None:
        # Who may do it nowhere is not told whether there is such a thing.
        if visit.projects(action) == frozenset():
            raise refusal(visit.by, action, None)
        with visit.read() as connection:
            visit.require(action, project(connection, request.path_params), request.url.path)
    elif right.reach == "project":
        if visit.projects(action) == frozenset():
            raise refusal(visit.by, action, None)
    else:
        visit.require(action, subject=request.url.path)


def local_path(address: str) -> str:
    """Give an address of this server as it is, and the front page for any other: no open redirect."""
    plain = address.isprintable() and "\\" not in address
    return address if plain and address.startswith("/") and not address.startswith("//") else "/"


def _visit(values: Mapping[str, Any]) -> Visit:
    return values["visit"]


def _model(function: Function) -> Any:
    if "visit" not in inspect.signature(function).parameters:
        raise TypeError(f"{function.__name__} has no parameter `visit`")
    given = inspect.signature(function).return_annotation
    if given is inspect.Signature.empty:
        raise TypeError(f"{function.__name__} does not say which model it gives")
    return None if isinstance(given, type) and issubclass(given, Response) else given
