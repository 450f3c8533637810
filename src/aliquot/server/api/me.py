"""`/api/v1/me`: who the server takes somebody for."""

from pydantic import BaseModel, Field

from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit

routes = Routes("/api/v1")


class Me(BaseModel):
    """Whoever asks: their name, how they came in, their roles by project (`*` is everywhere), and the lab's name.

    `scope` lists what a token may do, null where it is not narrowed.
    """

    name: str = Field(examples=["ada"])
    how: str = Field(examples=["token"])
    roles: dict[str, str] = Field(examples=[{"*": "scientist"}])
    scope: list[str] | None = Field(examples=[["run.read", "run.start"]])
    lab: str = Field(examples=["riverside"])


@routes.api("GET", "/me", action="home.read")
def show_me(visit: AVisit) -> Me:
    """Say who asks, and what they may do."""
    by = visit.by
    scope = None if by.rights.scope is None else sorted(by.rights.scope)
    roles = {project: str(role) for project, role in by.rights.roles.items()}
    return Me(name=by.name, how=by.how, roles=roles, scope=scope, lab=visit.lab.config.lab)
