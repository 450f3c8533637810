"""How people sign in."""

from typing import Literal

from pydantic import Field as Setting

from aliquot.model.definition import Definition, Name

ProjectRole = Literal["viewer", "technician", "scientist"]
"""What a person can be in one project."""

GroupRoles = Literal["viewer", "technician", "scientist", "administrator"] | dict[Name, ProjectRole]
"""What a group gives: a role in all projects, or roles by project."""


class OidcSettings(Definition):
    """An OpenID Connect provider that knows the people of the lab."""

    issuer: str
    """The provider's URL, below which `/.well-known/openid-configuration` lies."""
    client_id: str
    """What the provider calls this lab."""
    client_secret: str | None = None
    """A reference to the secret that was agreed on, such as `${secret:vault/oidc}`; public clients have none."""
    title: str = "Sign in with your institution"
    """What the button says."""
    scopes: list[str] = Setting(default=["openid", "profile", "email"])
    """What the provider is asked for; some want `groups`, too."""
    name_claim: str = "preferred_username"
    """The claim that becomes the login name; the e-mail address where it is missing."""
    groups_claim: str = "groups"
    """The claim that lists the person's groups."""
    groups: dict[str, GroupRoles] = Setting(default={})
    """What each group may do: `{lab-admins: administrator, blue-team: {blue: technician}}`; others stay out."""


class LoginSettings(Definition):
    """How people sign in, beside names and passwords."""

    oidc: OidcSettings | None = None
    """An OpenID Connect provider."""
    passwords: bool = True
    """Whether people may sign in with names and passwords of the lab's own, too."""
