"""Whether database and store can be reached, and how quickly."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select

from aliquot.lab import Lab
from aliquot.model.errors import AliquotError, Missing, Unavailable

_PATIENCE = 3.0
"""Seconds: the store's own client tries for a minute, and whoever asks has gone by then."""
_side = ThreadPoolExecutor(2, "health")


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether something could be reached, and in how many seconds."""

    ok: bool
    seconds: float


def reach_database(lab: Lab) -> Reached:
    """Ask the catalogue for nothing."""
    began = time.perf_counter()
    try:
        with lab.catalogue.read() as connection:
            connection.execute(select(1))
    except AliquotError:
        return Reached(ok=False, seconds=time.perf_counter() - began)
    return Reached(ok=True, seconds=time.perf_counter() - began)


def reach_store(lab: Lab) -> Reached:
    """Ask the store whether it is there."""
    began = time.perf_counter()
    try:
        _side.submit(_find_nothing, lab).result(_PATIENCE)
    except (AliquotError, OSError, TimeoutError):
        return Reached(ok=False, seconds=time.perf_counter() - began)
    return Reached(ok=True, seconds=time.perf_counter() - began)


def _find_nothing(lab: Lab) -> None:
    objects = lab.store.objects
    if objects.root is not None and not objects.root.is_dir():
        raise Unavailable("store-unavailable", f"The store's folder {objects.root} is gone; bring it back.")
    with suppress(Missing):
        objects.size_of("health/nothing")
