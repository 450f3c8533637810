"""Registering definitions in a lab on a server."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aliquot.definitions.difference import Change
from aliquot.lab.sent import Applied
from aliquot.remote.client import Client


@dataclass(frozen=True, slots=True)
class ChangeList:
    """What would be registered, and the digest of what it was compared with."""

    changes: list[Change]
    base: str


def compare(client: Client, files: Mapping[str, bytes]) -> ChangeList:
    """Say what would change, if these were the definitions there."""
    return client.post(ChangeList, "/definitions/difference", _said(files, "", ""))


def apply(client: Client, files: Mapping[str, bytes], because: str, base: str = "") -> Applied:
    """Register these as the definitions there; gives what changed, or the approval that it waits for.

    `base` is that of the comparison which was seen: needed where definitions would go, and `Conflict` where others are
    registered by now.
    """
    return client.post(Applied, "/definitions", _said(files, because, base))


def _said(files: Mapping[str, bytes], because: str, base: str) -> dict[str, Any]:
    said = [{"path": path, "data": base64.b64encode(data).decode()} for path, data in files.items()]
    return {"files": said, "because": because, "base": base}
