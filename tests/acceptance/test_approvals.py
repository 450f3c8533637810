"""What takes a second person: asked for, signed with a password, and done in the same moment."""

from pathlib import Path

import pytest

from aliquot.access.by import at_the_machine
from aliquot.access.people import add_person, set_password
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.definitions import write_template
from aliquot.lab import acts_data, approving, deciding, definitions, open_lab
from aliquot.model.errors import Conflict, Denied, Invalid, NotSignedIn

PASSWORD = "four unrelated words here"
ANA = at_the_machine("ana", "bench")


@pytest.fixture
def lab(tmp_path: Path):
    write_template(tmp_path / "lab", "lab")
    with open_lab(tmp_path / "lab") as lab:
        definitions.apply(lab)
        (tmp_path / "odd.bin").write_bytes(b"\0\1")
        types = [each.model for each in definitions.read_lab(lab.folder).types.values()]
        acts_data.ingest(lab, ANA, "plates", [tmp_path / "odd.bin"], types)
        with lab.catalogue.write() as connection:
            for name, role in {"ana": "administrator", "bob": "administrator", "vera": "viewer"}.items():
                add_person(connection, ANA, name, {EVERYWHERE: Role(role)})
                set_password(connection, ANA, name, PASSWORD)
    with (tmp_path / "lab" / "aliquot.yaml").open("a") as file:
        file.write("approvals: {quarantine.release: true, pipeline.publish: true}\n")
    with open_lab(tmp_path / "lab") as lab:
        yield lab


def test_a_release_waits_for_a_second_signature(lab) -> None:
    with pytest.raises(Conflict, match="takes a second person"):
        acts_data.release(lab, ANA, 1, "it is right")
    with pytest.raises(Invalid, match="say into which dataset"):
        approving.ask_release(lab, ANA, 1, "it is right")
    asked = approving.ask_release(lab, ANA, 1, "it is right", "plates")
    with pytest.raises(Conflict, match="waits already"):
        approving.ask_release(lab, ANA, 1, "again", "plates")
    for name, password, reason, error in [
        ("ana", PASSWORD, "I say so", Denied), ("vera", PASSWORD, "I say so", Denied),
        ("bob", "wrong password", "seen", NotSignedIn), ("bob", PASSWORD, "  ", Invalid),
    ]:  # fmt: skip
        with pytest.raises(error):
            deciding.decide(lab, asked.id, name, password, reason, approve=True)
    done = deciding.decide(lab, asked.id, "bob", PASSWORD, "seen the file", approve=True)
    assert (done.state, done.decided_by, done.reason) == ("APPROVED", "bob", "seen the file")
    assert done.signature is not None
    assert (done.signature["name"], done.signature["meaning"], done.signature["for"]) == (
        "bob",
        "approved",
        done.digest,
    )
    with pytest.raises(Conflict, match="APPROVED already"):
        deciding.decide(lab, asked.id, "bob", PASSWORD, "once more", approve=True)
    with lab.catalogue.read() as connection:
        from aliquot.access.audit_read import entries
        from aliquot.intake import quarantine

        held = quarantine.show(connection, 1)
        assert (held.state, held.decided_by) == ("RELEASED", "bob")
        assert held.because == "it is right (asked for by ana, signed by bob)"
        assert [each.action for each in entries(connection, limit=2)] == ["quarantine.release", "approval.give"]


def test_what_is_refused_is_not_done_and_can_be_asked_again(lab) -> None:
    asked = approving.ask_release(lab, ANA, 1, "it is right", "plates")
    assert deciding.decide(lab, asked.id, "bob", PASSWORD, "it is not", approve=False).state == "REFUSED"
    assert approving.ask_release(lab, ANA, 1, "look again", "plates").state == "WAITING"


def test_definitions_are_registered_as_they_were_signed_or_not_at_all(lab) -> None:
    with pytest.raises(Conflict, match="Nothing has changed"):
        approving.ask_publish(lab, ANA, "new title")
    file = lab.folder / "pipelines" / "summary.yaml"
    file.write_text(file.read_text() + "\npriority: 1\n")
    with pytest.raises(Conflict, match="take a second person"):
        definitions.apply(lab)
    asked = approving.ask_publish(lab, ANA, "it is urgent")
    text = file.read_text()
    file.write_text(text.replace("priority: 1", "priority: 2"))
    with pytest.raises(Conflict, match="have changed since"):
        deciding.decide(lab, asked.id, "bob", PASSWORD, "fine", approve=True)
    file.write_text(text)
    assert deciding.decide(lab, asked.id, "bob", PASSWORD, "fine", approve=True).state == "APPROVED"
    assert definitions.pending(lab) == []
