"""The app: all routes, what stands before them, and what lives as long as it does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from os import PathLike, stat_result
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from aliquot import __version__
from aliquot.lab import Lab
from aliquot.lab.kept import Kept, KeptEach
from aliquot.lab.oidc import oidc_secret, oidc_settings
from aliquot.lab.storage import storage
from aliquot.server import downloads, events, health, streams
from aliquot.server.api import administration as api_administration
from aliquot.server.api import approvals as api_approvals
from aliquot.server.api import audit as api_audit
from aliquot.server.api import datasets as api_datasets
from aliquot.server.api import definitions as api_definitions
from aliquot.server.api import description as api_description
from aliquot.server.api import files as api_files
from aliquot.server.api import hub as api_hub
from aliquot.server.api import lineage as api_lineage
from aliquot.server.api import me as api_me
from aliquot.server.api import people as api_people
from aliquot.server.api import pipelines as api_pipelines
from aliquot.server.api import projects as api_projects
from aliquot.server.api import quarantine as api_quarantine
from aliquot.server.api import receipts as api_receipts
from aliquot.server.api import reproduce as api_reproduce
from aliquot.server.api import run_tries as api_run_tries
from aliquot.server.api import run_verbs as api_run_verbs
from aliquot.server.api import runs as api_runs
from aliquot.server.api import sign_in as api_sign_in
from aliquot.server.api import sources as api_sources
from aliquot.server.api import status as api_status
from aliquot.server.api import tasks as api_tasks
from aliquot.server.api import tokens as api_tokens
from aliquot.server.api import upkeep as api_upkeep
from aliquot.server.api import uploads as api_uploads
from aliquot.server.api import version_looks as api_version_looks
from aliquot.server.guard import Guard
from aliquot.server.live.broadcast import Broadcast
from aliquot.server.look.render import STATIC, Renderer
from aliquot.server.metrics import Metrics
from aliquot.server.problems import answer_errors
from aliquot.server.registered import Registered
from aliquot.server.routes import Routes
from aliquot.server.settings import Settings
from aliquot.server.site import Site
from aliquot.server.web import (
    administration,
    audit,
    datasets,
    files,
    home,
    hub,
    lineage,
    output_files,
    pipelines,
    provider_sign_in,
    quarantine,
    receipts,
    run_verbs,
    runs,
    sign_in,
    sources,
    tasks,
    uploads,
)

if TYPE_CHECKING:
    from aliquot.server.oidc.provider import Provider

PAGES: tuple[Routes, ...] = (
    sign_in.routes,
    provider_sign_in.routes,
    home.routes,
    datasets.routes,
    downloads.routes,
    files.routes,
    run_verbs.routes,
    output_files.routes,
    tasks.routes,
    uploads.routes,
    receipts.routes,
    runs.routes,
    pipelines.routes,
    quarantine.routes,
    administration.routes,
    sources.routes,
    audit.routes,
    hub.routes,
    lineage.routes,
)
"""What people see; left out with `--no-pages`."""

PROGRAMS: tuple[Routes, ...] = (
    api_runs.routes,
    api_run_verbs.routes,
    api_run_tries.routes,
    api_tasks.routes,
    api_pipelines.routes,
    api_definitions.routes,
    api_datasets.routes,
    api_version_looks.routes,
    api_files.routes,
    api_quarantine.routes,
    api_uploads.routes,
    api_receipts.routes,
    api_sources.routes,
    api_lineage.routes,
    api_reproduce.routes,
    api_hub.routes,
    api_projects.routes,
    api_people.routes,
    api_sign_in.routes,
    api_tokens.routes,
    api_approvals.routes,
    api_audit.routes,
    api_upkeep.routes,
    api_administration.routes,
    api_me.routes,
    api_status.routes,
    api_description.routes,
    streams.routes,
    events.routes,
    health.routes,
)
"""What programs ask."""


_COMPARISONS = 20
"""Pairs of runs whose comparison is kept for pages."""


def make_app(lab: Lab, settings: Settings) -> Guard:
    """Build the app over an open lab; whoever starts it closes the lab."""
    broadcast = Broadcast(lab)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncGenerator[None]:
        await broadcast.open()
        yield
        await broadcast.close()

    # Its own pages of documentation would load scripts from elsewhere.
    app = FastAPI(
        title="Aliquot", version=__version__, openapi_url=None, docs_url=None, redoc_url=None, lifespan=life,
        description="Everything that the pages and the command line do.",
    )  # fmt: skip
    routes = registered(pages=settings.pages)
    site = app.state.site = Site(
        lab,
        settings,
        Renderer(lab),
        broadcast,
        Metrics(lab, broadcast),
        routes,
        Kept(lambda: storage(lab.catalogue)),
        KeptEach(_COMPARISONS, 20),
        provider=_provider(lab),
    )
    answer_errors(app)
    for each in PROGRAMS + (PAGES if settings.pages else ()):
        app.include_router(each.router)
    if settings.pages:
        app.mount("/static", _Unchanging(directory=STATIC), name="static")
        app.add_route("/favicon.ico", _icon, include_in_schema=False)
    return Guard(app, site, routes)


def _provider(lab: Lab) -> "Provider | None":
    settings = oidc_settings(lab)
    if settings is None:
        return None
    # It imports a client, which most labs have no need of.
    from aliquot.server.oidc.provider import Provider

    return Provider(settings, lambda: oidc_secret(lab))


def registered(*, pages: bool = True) -> list[Registered]:
    """List every route with its action, for the checks that go over all of them."""
    return [route for each in PROGRAMS + (PAGES if pages else ()) for route in each.registered]


class _Unchanging(StaticFiles):
    """Files whose addresses change with their content."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Give a file, to be kept for ever where the address names its content."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        known = b"v=" in scope.get("query_string", b"")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if known else "public, max-age=300"
        return response


async def _icon(_request: object) -> Response:
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")
