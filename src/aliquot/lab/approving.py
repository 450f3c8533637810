"""What takes a second person, where aliquot.yaml asks for one: it is asked for first, and done when it is signed."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import NamedTuple

from sqlalchemy import Connection

from aliquot.access import approvals
from aliquot.access.approvals import Approval
from aliquot.access.by import By
from aliquot.access.projects import project_of_held
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.datasets import places
from aliquot.definitions.found import Definitions
from aliquot.intake import quarantine
from aliquot.lab import acts_data, definitions
from aliquot.lab.lab import Lab
from aliquot.model.blob import Location
from aliquot.model.errors import Conflict, Invalid

RELEASE, PUBLISH = "quarantine.release", "pipeline.publish"


class Sent(NamedTuple):
    """What somebody has sent: its digest in the store, and where the bytes of it lie."""

    digest: str
    locations: Sequence[Location]


def takes_two(lab: Lab, action: str) -> bool:
    """Say whether aliquot.yaml asks for a second person."""
    asked = lab.config.approvals
    return {RELEASE: asked.quarantine_release, PUBLISH: asked.pipeline_publish}.get(action, False)


def ask_release(
    lab: Lab, by: By, id_: int, because: str, into: str | None = None, *, over_newer: bool = False
) -> Approval:
    """Ask for the release of something in quarantine."""

    def work(connection: Connection) -> Approval:
        held = quarantine.show(connection, id_)
        if held.state != "WAITING":
            raise Conflict("quarantine-decided", f"Somebody has decided about {id_} already.", id=id_)
        target = into or held.into
        if target is None:
            words = f"Nothing recognised {held.path}, so say into which dataset it shall go."
            raise Invalid("dataset-absent", words, id=id_)
        project = project_of_held(connection, id_) or DEFAULT_PROJECT
        acts_data.may_release_into(lab, connection, by, target, project)
        files = [asdict(each) for each in held.files]
        document = {"quarantine": id_, "files": files, "into": target, "over_newer": over_newer}
        return approvals.ask(connection, by, RELEASE, f"quarantine {id_}", document, because, project)

    return lab.catalogue.repeat(work)


def ask_publish(
    lab: Lab, by: By, because: str, found: Definitions | None = None, sent: Sent | None = None,
    also: Callable[[Connection, Approval], None] | None = None,
) -> Approval:  # fmt: skip
    """Ask for the registering of what the lab's folder defines now, or of what was found in what somebody has sent.

    `sent` is kept until it is decided; `also` joins the transaction.
    """
    document = definitions.changes_document(lab, found) | ({} if sent is None else {"sent": sent.digest})
    if not document["changes"]:
        raise Conflict("nothing-to-apply", "Nothing has changed: there is nothing to approve.")

    def work(connection: Connection) -> Approval:
        if sent is not None:
            # Before the audit's row, for which others wait from then on.
            places.record(connection, sent.locations)
        asked = approvals.ask(connection, by, PUBLISH, "definitions", document, because, DEFAULT_PROJECT)
        if also:
            also(connection, asked)
        return asked

    return lab.catalogue.repeat(work)
