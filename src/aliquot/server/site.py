"""What all requests of one server share."""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request

from aliquot.lab import Lab
from aliquot.server.settings import Settings

if TYPE_CHECKING:
    from aliquot.server.live.broadcast import Broadcast
    from aliquot.server.metrics import Metrics
    from aliquot.server.web.render import Renderer


@dataclass(slots=True)
class Site:
    """The open lab, the settings, and the parts that live as long as the server does."""

    lab: Lab
    settings: Settings
    renderer: "Renderer"
    broadcast: "Broadcast"
    metrics: "Metrics"
    start_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))


def site_of(request: Request) -> Site:
    """Give the site that a request came to."""
    return request.app.state.site
