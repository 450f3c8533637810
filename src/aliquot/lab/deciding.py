"""Signing as the second person: what was asked for is done in the transaction of the signature."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from aliquot.access import approvals
from aliquot.access.approvals import Approval
from aliquot.access.by import By
from aliquot.access.people import Person
from aliquot.access.sessions import check_password
from aliquot.lab import acts_data
from aliquot.lab.approving import RELEASE
from aliquot.lab.lab import Lab
from aliquot.lab.sent import apply_signed


def decide(
    lab: Lab, id_: int, name: str, password: str, reason: str, *, approve: bool, by: By | None = None,
    also: Callable[[Connection, Approval], None] | None = None,
) -> Approval:  # fmt: skip
    """Sign as the second person: `approve` does what was asked for, in the same transaction; otherwise it is refused.

    `by` is the session that signs; without, it is the person at this machine, who names the second one. The password is
    checked each time, and so are the rights of its person. `also` joins the transaction.
    """
    here = by or lab.by
    second = check_password(lab.catalogue, name, password, here.place)
    signer = By(second.name, here.how, second.rights, here.place, here.request, second.id)
    with lab.catalogue.read() as connection:
        asked = approvals.find(connection, id_)
    approvals.require_second(asked, second, signer)

    def signed(connection: Connection) -> None:
        approvals.sign(connection, signer, asked, second, reason, approve=approve)
        if also:
            also(connection, approvals.find(connection, id_))

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
    apply_signed(lab, by, document, signed)
