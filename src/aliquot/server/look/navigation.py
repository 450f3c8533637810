"""The navigation of every page, in the order of a day's work."""

from typing import NamedTuple


class Place(NamedTuple):
    """An entry: its label, where it leads, the action that one needs, and its icon in `icons.svg`."""

    label: str
    path: str
    action: str
    icon: str


NAVIGATION = (
    Place("Home", "/", "home.read", "home"),
    Place("Datasets", "/datasets", "dataset.read", "datasets"),
    Place("Pipelines", "/pipelines", "pipeline.read", "pipelines"),
    Place("Runs", "/runs", "run.read", "runs"),
    Place("Quarantine", "/quarantine", "quarantine.read", "quarantine"),
    Place("Hub", "/hub", "table.read", "hub"),
    Place("Administration", "/administration", "lab.read", "administration"),
)
"""What a person has no right to is left out."""


def at(place: Place, path: str) -> bool:
    """Say whether an address is a place's own, or below it."""
    return path == place.path if place.path == "/" else path == place.path or path.startswith(place.path + "/")
