"""What takes a second person, where aliquot.yaml asks for one: it is asked for first, and done when it is signed."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from aliquot.access import approvals
from aliquot.access.approvals import Approval
from aliquot.access.by import By
from aliquot.access.people import Person
from aliquot.access.projects import project_of_held
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.access.sessions import check_password
from aliquot.intake import quarantine
from aliquot.lab import acts_data, definitions
from aliquot.lab.lab import Lab
from aliquot.model.errors import Conflict, Invalid

RELEASE, PUBLISH = "quarantine.release", "pipeline.publish"


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


def ask_publish(lab: Lab, by: By, because: str) -> Approval:
    """Ask for the registering of what the lab's folder defines now."""
    document = definitions.changes_document(lab)
    if not document["changes"]:
        raise Conflict("nothing-to-apply", "Nothing has changed: there is nothing to approve.")
    return lab.catalogue.repeat(
        lambda connection: approvals.ask(connection, by, PUBLISH, "definitions", document, because, DEFAULT_PROJECT)
    )


def decide(
    lab: Lab, id_: int, name: str, password: str, reason: str, *, approve: bool, by: By | None = None
) -> Approval:
    """Sign as the second person: `approve` does what was asked for, in the same transaction; otherwise it is refused.

    `by` is the session that signs; without, it is the person at this machine, who names the second one. The password is
    checked each time, and so are the rights of its person.
    """
    here = by or lab.by
    second = check_password(lab.catalogue, name, password, here.place)
    signer = By(second.name, here.how, second.rights, here.place, here.request, second.id)
    with lab.catalogue.read() as connection:
        asked = approvals.find(connection, id_)
    approvals.require_second(asked, second, signer)

    def signed(connection: Connection) -> None:
        approvals.sign(connection, signer, asked, second, reason, approve=approve)

    if approve:
        _do(lab, signer, asked, second, signed)
    else:
        lab.catalogue.repeat(signed)
    with lab.catalogue.read() as connection:
        return approvals.find(connection, id_)


def _do(lab: Lab, by: By, asked: Approval, second: Person, signed: Any) -> None:
    document = asked.document
    if asked.action == RELEASE:
        because = f"{asked.because} (asked for by {asked.asked_by}, signed by {second.name})"
        acts_data.release(lab, by, document["quarantine"], because, document["into"],
            over_newer=document["over_newer"], also=signed,
        )  # fmt: skip
        return
    definitions.apply(lab, by, also=signed, only=document)
