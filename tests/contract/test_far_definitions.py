"""Definitions from afar: compared, registered, refused with their places, and signed by a second person."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from aliquot.access import people
from aliquot.access.audit_read import Question, entries
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.datasets.sweep import sweepable
from aliquot.datasets.verify import verify
from aliquot.db.tables import definition
from aliquot.lab import Lab, deciding, open_lab
from aliquot.model.errors import Conflict
from aliquot.model.lab_config import Retention
from aliquot.server.serve import Server
from aliquot.server.settings import read_settings
from far_lab import PIPELINE, TYPE, Far, aliquot, make_lab, served

PASSWORD = "four unrelated words here"
CODE = "print('hello')\n"
SCRIPTED = """
pipeline: scripted
inputs: {plates: {dataset: plates}}
steps:
  say:
    inputs: {plate: {from: plates, glob: "/*"}}
    bundle: [code]
    command: python "$BUNDLE/code/say.py"
outputs: {said: {from: say, publish: said}}
"""


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    folder = make_lab(tmp_path / "lab")
    for name in ("ALIQUOT_LAB", "ALIQUOT_SERVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with served(folder.folder) as there:
        monkeypatch.setenv("ALIQUOT_TOKEN", there.token)
        yield there


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Write the definitions of the lab, as somebody has them on another machine."""
    folder = tmp_path / "desk"
    for path, text in (("types/plate.yaml", TYPE), ("pipelines/totals.yaml", PIPELINE),
                       ("pipelines/scripted.yaml", SCRIPTED), ("code/say.py", CODE)):  # fmt: skip
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def applied(lab: Path) -> dict[str, dict[str, str]]:
    """Give the current definitions, with the digests of what they bundle."""
    with open_lab(lab) as opened, opened.catalogue.read() as connection:
        rows = connection.execute(select(definition).where(definition.c.current))
        return {row.name: row.bundle for row in rows}


def there(far: Far, *words: str) -> tuple[int, Any]:
    said = aliquot("--server", far.url, "apply", *words, "--json")
    return said.code, json.loads(said.out or said.err)


def test_what_a_folder_defines_is_compared_and_then_registered(far: Far, desk: Path) -> None:
    code, changes = there(far, str(desk), "--dry-run")
    assert code == 0
    assert {each["name"]: each["change"] for each in changes} == {
        "plate": "unchanged", "totals": "unchanged", "scripted": "new",
    }  # fmt: skip
    assert "+# bundled: code/say.py" in next(each["diff"] for each in changes if each["name"] == "scripted")
    assert set(applied(far.folder)) == {"plate", "totals"}
    assert there(far, str(desk))[0] == 0
    assert set(applied(far.folder)["scripted"]) == {"code/say.py"}
    # The lab's own folder has nothing of it, and at home one is told so.
    assert not (far.folder / "pipelines/scripted.yaml").exists()
    home = aliquot("apply", "--dry-run", "--json", "--lab", str(far.folder))
    assert {each["name"]: each["change"] for each in json.loads(home.out)}["scripted"] == "gone"
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        (row,) = entries(connection, Question(action="pipeline.publish"), limit=1)
        assert (row.who, row.how, row.after["changes"][0]["name"]) == ("ada", "token", "scripted")
    assert "Nothing has changed; 3 definitions are registered." in aliquot("--server", far.url, "apply", str(desk)).out
    # What is left out goes, as at home.
    (desk / "pipelines/scripted.yaml").unlink()
    assert "- gone" in aliquot("--server", far.url, "apply", str(desk), "--base", base(far, desk)).out
    assert "scripted" not in applied(far.folder)


def base(far: Far, desk: Path) -> str:
    """Give what a comparison says that it was made with."""
    said = aliquot("--server", far.url, "apply", str(desk), "--dry-run")
    return said.err.partition("--base ")[2].strip()


def test_what_a_colleague_has_registered_since_goes_only_where_that_was_seen(far: Far, desk: Path) -> None:
    (desk / "pipelines/scripted.yaml").rename(desk / "scripted.yaml")
    seen_before = httpx.post(
        f"{far.url}/api/v1/definitions/difference", timeout=60, headers={"authorization": f"Bearer {far.token}"},
        json={"files": [{"path": "types/plate.yaml", "data": base64.b64encode(TYPE.encode()).decode()}]},
    ).json()["base"]  # fmt: skip
    colleague = shutil.copytree(desk, desk.with_name("colleague"))
    (colleague / "scripted.yaml").rename(colleague / "pipelines/scripted.yaml")
    assert there(far, str(colleague))[0] == 0
    # An older folder takes away nothing that its person has not seen to go.
    code, told = there(far, str(desk))
    assert (code, told["code"], told["facts"]["gone"]) == (4, "definitions-would-go", ["pipeline scripted"])
    assert "pipeline scripted" in told["message"]
    code, told = there(far, str(desk), "--base", seen_before)
    assert (code, told["code"], told["facts"]["gone"]) == (4, "definitions-moved", ["pipeline scripted"])
    assert "scripted" in applied(far.folder)
    assert there(far, str(desk), "--base", base(far, desk))[0] == 0
    assert "scripted" not in applied(far.folder)
    assert aliquot("apply", "--base", seen_before, "--lab", str(far.folder)).code == 2


def test_mistakes_are_told_at_their_places_as_at_home(far: Far, desk: Path) -> None:
    (desk / "pipelines/scripted.yaml").write_text(SCRIPTED.replace("glob:", "blob:").replace("[code]", "[cod]"))
    (desk / "types/plate.yaml").write_text(TYPE.replace("number", "numbre"))
    shutil.copytree(desk, far.folder, dirs_exist_ok=True)
    at_home = aliquot("apply", "--lab", str(far.folder))
    from_afar = aliquot("--server", far.url, "apply", str(desk))
    assert (from_afar.code, from_afar.err) == (2, at_home.err)
    assert "pipelines/scripted.yaml:6:" in from_afar.err


def test_what_only_the_labs_settings_tell_is_told_at_its_place_too(far: Far, desk: Path) -> None:
    (desk / "pipelines/scripted.yaml").write_text(SCRIPTED + "project: blue\n")
    code, told = there(far, str(desk))
    assert (code, told["code"]) == (2, "definition-invalid")
    (problem,) = told["facts"]["problems"]
    assert (problem["file"], problem["line"], problem["field"]) == ("pipelines/scripted.yaml", 10, "project")
    (desk / "types/plate.yaml").rename(desk / "types/dish.yaml")
    (desk / "types/dish.yaml").write_text(TYPE.replace("type: plate", "type: dish", 1))
    (desk / "pipelines/scripted.yaml").unlink()
    code, told = there(far, str(desk))
    assert [each["file"] for each in told["facts"]["problems"]] == ["aliquot.yaml"]
    assert set(applied(far.folder)) == {"plate", "totals"}


def test_a_folder_that_defines_nothing_is_not_sent(far: Far, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, told = there(far, str(tmp_path / "empty"))
    assert (code, told["code"]) == (2, "definitions-absent")
    assert set(applied(far.folder)) == {"plate", "totals"}
    at_home = aliquot("apply", str(tmp_path / "empty"), "--lab", str(far.folder))
    assert (at_home.code, "folder-not-here" in at_home.err) == (2, True)


def test_a_path_that_leads_elsewhere_is_refused(far: Far) -> None:
    headers = {"authorization": f"Bearer {far.token}"}
    strange = ("/etc/passwd", "../x", "types/../../x", "aliquot.yaml", "types//a.yaml", "a\\b", "types/\x1b.yaml")
    for path in strange:
        sent = {"files": [{"path": path, "data": base64.b64encode(b"x").decode()}]}
        for address in ("/definitions", "/definitions/difference"):
            answer = httpx.post(f"{far.url}/api/v1{address}", json=sent, headers=headers, timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (422, "definitions-path"), path
    assert not (far.folder.parent / "x").exists()


def test_the_same_request_again_registers_nothing_again(far: Far, desk: Path) -> None:
    files = [("types/plate.yaml", TYPE), ("pipelines/totals.yaml", PIPELINE.replace("Sum each", "Sum up each"))]
    sent = {"files": [{"path": path, "data": base64.b64encode(text.encode()).decode()} for path, text in files]}
    headers = {"authorization": f"Bearer {far.token}", "idempotency-key": "once"}
    told = [httpx.post(f"{far.url}/api/v1/definitions", json=sent, headers=headers, timeout=60) for _ in range(2)]
    assert [each.status_code for each in told] == [201, 201]
    assert told[0].json() == told[1].json()
    assert {each["name"]: each["change"] for each in told[0].json()["changes"]}["totals"] == "changed"
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        assert len(entries(connection, Question(action="pipeline.publish"))) == 2  # the first was of `make_lab`


def signers(lab: Lab) -> None:
    with lab.catalogue.write() as connection:
        people.add_person(connection, lab.by, "bob", {EVERYWHERE: Role.ADMINISTRATOR})
        people.set_password(connection, lab.by, "bob", PASSWORD)


def test_a_second_person_signs_what_was_sent_and_nothing_else(tmp_path: Path, desk: Path, far: Far) -> None:
    settings = far.folder / "aliquot.yaml"
    settings.write_text(settings.read_text() + "approvals: {pipeline.publish: true}\n")
    with served_again(far) as again:
        code, asked = there(again, str(desk), "--because", "the new reader")
        assert (code, asked["action"], asked["asked_by"]) == (0, "pipeline.publish", "ada")
        assert [each["name"] for each in asked["document"]["changes"]] == ["scripted"]
        assert set(applied(far.folder)) == {"plate", "totals"}
        with open_lab(far.folder) as lab:
            signers(lab)
            # What waits is kept, and read again with everything else.
            assert sweepable(lab.catalogue, Retention()) == 0
            assert verify(lab.catalogue, lab.store, None).sound
            deciding.decide(lab, asked["id"], "bob", PASSWORD, "seen", approve=True)
            assert sweepable(lab.catalogue, Retention()) > 0
        assert set(applied(far.folder)["scripted"]) == {"code/say.py"}
        (desk / "pipelines/scripted.yaml").unlink()
        assert there(again, str(desk), "--because", "not needed")[1]["code"] == "definitions-would-go"
        asked = there(again, str(desk), "--because", "not needed", "--base", base(again, desk))[1]
        # What somebody else has registered meanwhile was not signed for.
        with open_lab(far.folder) as lab:
            with lab.catalogue.write() as connection:
                connection.execute(definition.delete().where(definition.c.name == "scripted"))
            with pytest.raises(Conflict) as outdated:
                deciding.decide(lab, asked["id"], "bob", PASSWORD, "seen", approve=True)
        assert outdated.value.code == "approval-outdated"


@contextmanager
def served_again(far: Far) -> Iterator[Far]:
    """Serve the lab once more, with the settings that it has now."""
    with open_lab(far.folder) as lab, Server(lab, read_settings("127.0.0.1:0")) as server:
        yield Far(far.folder, server.address, far.token)
