"""What all requests of one server share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request

from aliquot.lab import Lab
from aliquot.lab.compare import RunComparison
from aliquot.lab.kept import Kept, KeptEach
from aliquot.lab.storage import Storage
from aliquot.server.live.broadcast import Broadcast
from aliquot.server.look.render import Renderer
from aliquot.server.metrics import Metrics
from aliquot.server.rate import Rate
from aliquot.server.registered import Registered
from aliquot.server.settings import Settings

if TYPE_CHECKING:
    from aliquot.server.oidc.provider import Provider


@dataclass(slots=True)
class Site:
    """The open lab, the settings, and the parts that live as long as the server does."""

    lab: Lab
    settings: Settings
    renderer: Renderer
    broadcast: Broadcast
    metrics: Metrics
    registered: Sequence[Registered]
    """Every route, with its action."""
    storage: Kept[Storage]
    """What takes room."""
    comparisons: KeptEach[RunComparison]
    """Runs side by side, by the numbers of both."""
    rate: Rate = field(default_factory=Rate)
    """How often each token may post events."""
    provider: "Provider | None" = None
    """Who signs people in, beside names and passwords."""


def site_of(request: Request) -> Site:
    """Give the site that a request came to."""
    return request.app.state.site
