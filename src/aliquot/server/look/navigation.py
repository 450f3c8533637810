"""The navigation of every page, in the order of a day's work."""

from typing import NamedTuple


class Place(NamedTuple):
    """An entry: its label, where it leads, the action that one needs, its icon in `icons.svg`, what else it holds."""

    label: str
    path: str
    action: str
    icon: str
    parts: tuple[str, ...] = ()


NAVIGATION = (
    Place("Home", "/", "home.read", "home"),
    Place("Datasets", "/datasets", "dataset.read", "datasets", ("/receipts", "/uploads")),
    Place("Pipelines", "/pipelines", "pipeline.read", "pipelines"),
    Place("Runs", "/runs", "run.read", "runs"),
    Place("Quarantine", "/quarantine", "quarantine.read", "quarantine"),
    Place("Hub", "/hub", "table.read", "hub"),
    Place("Administration", "/administration", "lab.read", "administration", ("/sources",)),
)
"""What a person has no right to is left out."""


def at(place: Place, path: str) -> bool:
    """Say whether an address is a place's own, or below it."""
    if place.path == "/":
        return path == "/"
    return any(path == each or path.startswith(f"{each}/") for each in (place.path, *place.parts))
