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
from aliquot.definitions.difference import Change, difference
from aliquot.definitions.sent import read_sent
from aliquot.lab import approving, definitions
from aliquot.lab.lab import Lab
from aliquot.model.digest import Digest
from aliquot.model.errors import Conflict


@dataclass(frozen=True, slots=True)
class Applied:
    """What was registered; or what a second person is `asked` for, and then nothing was."""

    changes: list[Change]
    asked: Approval | None = None


Also = Callable[[Connection, Applied], None]
"""Joins the transaction in which something is registered or asked for."""


def compare_sent(lab: Lab, by: By, files: Mapping[str, bytes]) -> tuple[list[Change], str]:
    """Say what would change, if these files were the lab's definitions, and compared with which; changes nothing."""
    require_may(by, "pipeline.publish", subject="definitions")
    # Read before: what is registered in between makes the base an old one, which is refused, and never one too new.
    with lab.catalogue.read() as connection:
        base = definitions.base_of(connection)
    return definitions.apply(lab, by, dry_run=True, found=read_sent(lab.folder, files)), base


def apply_sent(lab: Lab, by: By, files: Mapping[str, bytes], because: str, also: Also, base: str = "") -> Applied:
    """Register these files as the lab's definitions, or ask for the second person whom aliquot.yaml wants.

    The lab's folder is neither read, but for its settings, nor written. `base` is what the comparison was made with
    that its person has seen: where other definitions are registered now, it is `Conflict`, and so is a definition that
    would go, where no `base` says that this was seen.
    """
    require_may(by, "pipeline.publish", subject="definitions")
    found = read_sent(lab.folder, files)
    if not approving.takes_two(lab, approving.PUBLISH):

        def told(connection: Connection, changes: list[Change]) -> None:
            also(connection, Applied(changes))

        def before(connection: Connection, changes: list[Change]) -> None:
            _require_seen(connection, changes, base)

        return Applied(definitions.apply(lab, by, found=found, told=told, before=before))
    batch = lab.store.batch()
    blob = batch.add_bytes(_written(files))
    locations = batch.flush()

    def asked(connection: Connection, approval: Approval) -> None:
        _require_seen(connection, difference(definitions.registered(connection), found), base)
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


def _require_seen(connection: Connection, changes: list[Change], base: str) -> None:
    """Refuse what was compared with other definitions, and what takes some away without that anybody has seen it."""
    gone = [f"{each.kind} {each.name}" for each in changes if each.change == "gone"]
    now = definitions.base_of(connection)
    if base == now or not (base or gone):
        return
    goes = f"This would take away: {', '.join(gone)}. " if gone else ""
    facts = {"gone": gone, "base": now}
    if base:
        sentence = (
            f"Since your comparison, other definitions were registered, and nothing was changed. {goes}Look again with "
            "--dry-run, and bring your folder up to date."
        )
        raise Conflict("definitions-moved", sentence, **facts)
    sentence = (
        f"{goes}Somebody else may have registered it since your folder was up to date, and nothing was changed. Look "
        f"with --dry-run; if it shall go, apply with --base {now}"
    )
    raise Conflict("definitions-would-go", sentence, **facts)


def _written(files: Mapping[str, bytes]) -> bytes:
    said = {path: base64.b64encode(data).decode() for path, data in sorted(files.items())}
    return json.dumps(said, ensure_ascii=False).encode()


def _read(data: bytes) -> dict[str, bytes]:
    return {path: base64.b64decode(text) for path, text in json.loads(data).items()}
