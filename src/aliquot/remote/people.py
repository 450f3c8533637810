"""Who somebody is at a lab on a server."""

from collections.abc import Mapping
from dataclasses import dataclass

from aliquot.remote.client import Client


@dataclass(frozen=True, slots=True)
class Me:
    """Whoever asks: their name, how they came in, their roles by project, and what a token of theirs may do."""

    name: str
    how: str
    roles: Mapping[str, str]
    scope: list[str] | None
    lab: str


def who_am_i(client: Client) -> Me:
    """Say who the server takes us for."""
    return client.get(Me, "/me")
