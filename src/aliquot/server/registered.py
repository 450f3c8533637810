"""A route as it was registered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

ProjectOf = Callable[[Connection, Mapping[str, str]], str]
"""Finds the project of what a path names; `Missing` where there is none."""

SMALL = 1024 * 1024
"""Bytes that a request may have, unless its route says otherwise."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A route as it was registered: for the checks that go over all of them."""

    method: str
    path: str
    action: str
    kind: str
    """page, twin, form, api, raw or hook."""
    project: ProjectOf | None
    most: int
    """Bytes of its body at most."""
    makes: bool = False
    """Whether it makes something, once for each Idempotency-Key."""
