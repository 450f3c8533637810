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
    """What would be registered."""

    changes: list[Change]


def compare(client: Client, files: Mapping[str, bytes]) -> list[Change]:
    """Say what would change, if these were the definitions there."""
    return client.post(ChangeList, "/definitions/difference", _said(files, "")).changes


def apply(client: Client, files: Mapping[str, bytes], because: str) -> Applied:
    """Register these as the definitions there; gives what changed, or the approval that it waits for."""
    return client.post(Applied, "/definitions", _said(files, because))


def _said(files: Mapping[str, bytes], because: str) -> dict[str, Any]:
    said = [{"path": path, "data": base64.b64encode(data).decode()} for path, data in files.items()]
    return {"files": said, "because": because}
