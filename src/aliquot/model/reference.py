"""References: `dataset@version:path`."""

import re
from dataclasses import dataclass

from aliquot.model.errors import Invalid

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}", re.ASCII)
"""What datasets, pipelines, sources, types and tags may be called."""

LATEST = "latest"

DEFAULT_PROJECT = "lab"
"""The project of everything that names none."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A dataset, one of its versions, or a file or folder in it.

    `version` is a number, a tag or `latest`; `path` starts with `/` and is None for the whole version.
    """

    dataset: str
    version: str = LATEST
    path: str | None = None

    def __str__(self) -> str:
        return f"{self.dataset}@{self.version}" + (f":{self.path}" if self.path else "")


def parse_reference(text: str) -> Reference:
    """Read `dataset`, `dataset@version` or `dataset@version:path`; anything else is `Invalid`."""
    match = re.fullmatch(r"(?P<dataset>[^@:]+)(?:@(?P<version>[^@:]+))?(?::(?P<path>.+))?", text, re.DOTALL)
    if match is None:
        raise Invalid(
            "reference-malformed",
            f"{text!r} is not a reference; write dataset, dataset@version or dataset@version:path.",
            reference=text,
        )
    require_name("dataset", match["dataset"])
    if match["version"]:
        require_name("version", match["version"])
    path = match["path"]
    if path is not None and not path.startswith("/"):
        path = "/" + path
    return Reference(match["dataset"], match["version"] or LATEST, path)


def require_name(kind: str, name: str) -> str:
    """Refuse a name that could not stand in a reference, a URL and a file name alike."""
    if not NAME.fullmatch(name):
        raise Invalid(
            "name-refused",
            f"{name!r} cannot name a {kind}: use lower-case letters, digits, '-', '_' and '.', "
            "starting with a letter or digit, 100 at most.",
            kind=kind,
            name=name,
        )
    return name
