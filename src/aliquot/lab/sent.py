"""Definitions that somebody sends from afar: compared, registered, or kept until a second person has signed."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from aliquot.access.approvals import Approval
from aliquot.access.by import By, require_may
from aliquot.datasets import places
from aliquot.definitions.difference import Change
from aliquot.definitions.sent import read_sent
from aliquot.lab import approving, definitions
from aliquot.lab.lab import Lab
from aliquot.model.digest import Digest


@dataclass(frozen=True, slots=True)
class Applied:
    """What was registered; or what a second person is `asked` for, and then nothing was."""

    changes: list[Change]
    asked: Approval | None = None


Also = Callable[[Connection, Applied], None]
"""Joins the transaction in which something is registered or asked for."""


def compare_sent(lab: Lab, by: By, files: Mapping[str, bytes]) -> list[Change]:
    """Say what would change, if these files were the lab's definitions; changes nothing."""
    require_may(by, "pipeline.publish", subject="definitions")
    return definitions.apply(lab, by, dry_run=True, found=read_sent(lab.folder, files))


def apply_sent(lab: Lab, by: By, files: Mapping[str, bytes], because: str, also: Also) -> Applied:
    """Register these files as the lab's definitions, or ask for the second person whom aliquot.yaml wants.

    The lab's folder is neither read, but for its settings, nor written.
    """
    require_may(by, "pipeline.publish", subject="definitions")
    found = read_sent(lab.folder, files)
    if not approving.takes_two(lab, approving.PUBLISH):

        def told(connection: Connection, changes: list[Change]) -> None:
            also(connection, Applied(changes))

        return Applied(definitions.apply(lab, by, found=found, told=told))
    batch = lab.store.batch()
    blob = batch.add_bytes(_written(files))
    locations = batch.flush()

    def asked(connection: Connection, approval: Approval) -> None:
        also(connection, Applied([], approval))

    kept = approving.Sent(blob.digest, locations)
    return Applied([], approving.ask_publish(lab, by, because, found, kept, asked))


def apply_signed(lab: Lab, by: By, document: Mapping[str, Any], signed: definitions.Beside) -> None:
    """Register what a second person has signed: what was sent then, or what the lab's folder defines."""
    sent = document.get("sent")
    found = None
    if sent is not None:
        with lab.catalogue.read() as connection:
            where = places.require(connection, [Digest(sent)])[Digest(sent)]
        found = read_sent(lab.folder, _read(lab.store.read_checked(where)))
    definitions.apply(lab, by, also=signed, only=document, found=found)


def _written(files: Mapping[str, bytes]) -> bytes:
    said = {path: base64.b64encode(data).decode() for path, data in sorted(files.items())}
    return json.dumps(said, ensure_ascii=False).encode()


def _read(data: bytes) -> dict[str, bytes]:
    return {path: base64.b64decode(text) for path, text in json.loads(data).items()}
