"""One request: who asks, what they may, and the lab that they ask about."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from blake3 import blake3
from fastapi import Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from aliquot.access.by import By, refusal
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.lab import Lab
from aliquot.lab.posted import Answer, Remember, Remembering, Sent, once, once_beside
from aliquot.server.site import Site, site_of

T = TypeVar("T")


class Visit:
    """What a route's function is given: the lab, and the person with their rights."""

    def __init__(self, request: Request, by: By, csrf: str) -> None:
        self.request = request
        self.by = by
        self.csrf = csrf
        """What each form of this session carries."""

    @property
    def site(self) -> Site:
        """Give what all requests share."""
        return site_of(self.request)

    @property
    def lab(self) -> Lab:
        """Give the open lab."""
        return self.site.lab

    @property
    def program(self) -> bool:
        """Say whether JSON is asked for: by a program, which rather waits than asks again."""
        path = self.request.url.path
        return path.endswith(".json") or path.startswith("/api/")

    def html(self, template: str, status: int = 200, **values: Any) -> Response:
        """Render a page that is no model's, such as a form that was refused."""
        return self.site.renderer.html(self.request, self.by, self.csrf, template, status, **values)

    @contextmanager
    def read(self) -> Generator[Connection]:
        """Open a transaction that reads the catalogue."""
        with self.lab.catalogue.read() as connection:
            yield connection

    def steer(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction that writes the catalogue."""
        return self.lab.catalogue.repeat(work)

    def may(self, action: str, project: str = DEFAULT_PROJECT) -> bool:
        """Say whether the person may do this in a project: for what a page offers."""
        return self.by.may(action, project)

    def projects(self, action: str) -> frozenset[str] | None:
        """Give the projects whose things a list may show; None: all."""
        return self.by.projects(action)

    def require(self, action: str, project: str = DEFAULT_PROJECT, subject: str = "") -> None:
        """Refuse what the person may not do, where only the function knows the project."""
        if not self.by.may(action, project):
            raise refusal(self.by, action, project, subject)

    def once(self, body: bytes, work: Callable[[Connection], Answer], key: str | None = None) -> Answer:
        """Do what makes something, once for each Idempotency-Key; `body` is what was sent.

        A page's form has no header: it gives the `key` that it carries.
        """
        return once(self.lab.catalogue, self._sent(body, key), work)

    def once_beside(self, body: bytes, work: Callable[[Remember], Answer]) -> Answer:
        """Do as `once` what opens its transactions itself; it remembers its answer in the one that makes something."""
        return once_beside(self.lab.catalogue, self._sent(body), work)

    def remembering(self, body: bytes) -> Remembering | None:
        """Give what remembers the answer to work that takes its time; None where the request has no Idempotency-Key."""
        sent = self._sent(body)
        return None if sent is None else Remembering(self.lab.catalogue, sent)

    def _sent(self, body: bytes, key: str | None = None) -> Sent | None:
        key = self.request.headers.get("idempotency-key", key)
        if key is None:
            return None
        said = blake3(f"{self.request.method} {self.request.url.path}\n".encode() + body).hexdigest()
        return Sent(self.by.name, key, f"blake3:{said}")


def visit_of(request: Request) -> Visit:
    """Give the visit that the route's check has made."""
    return request.state.visit


AVisit = Annotated[Visit, Depends(visit_of)]
"""How a route's function asks for it."""
