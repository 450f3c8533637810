"""A route as it was registered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

ProjectOf = Callable[[Connection, Mapping[str, str]], str]
"""Finds the project of what a path names; `Missing` where there is none."""

SMALL = 1024 * 1024
"""Bytes that a request may have, unless its route says otherwise."""


JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Said:
    """What the API's description says of a route's answer: its model, its status, the kind of its bytes.

    `media` is empty where there are no bytes; `makes` says that it makes something, once for each Idempotency-Key;
    `example` is one of an answer that is no model's.
    """

    model: Any = None
    status: int = 200
    media: str = JSON
    makes: bool = False
    example: str = ""


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
    said: Said
