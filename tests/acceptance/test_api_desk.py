"""The API of people, tokens, projects, approvals, audit, hub, lineage and files, over a real server."""

from collections.abc import Iterator

import httpx
import pytest

from aliquot.access.by import at_the_machine
from aliquot.access.people import add_person, find_person, set_password
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.access.secret_words import form_word
from aliquot.access.sessions import open_session
from aliquot.lab import Lab, acts_data, approving, definitions, open_lab
from aliquot.server.serve import Server
from aliquot.server.settings import read_settings

PASSWORD = "four unrelated words here"
ANA = at_the_machine("ana", "bench")
SETTINGS = """
lab: riverside
projects: [imaging]
executor: {kind: process, workers: 1}
approvals: {quarantine.release: true}
"""
TYPE = """
type: reading
recognise: {name: "*.csv"}
format: table
table:
  fields: [{name: well, type: string}, {name: value, type: number}]
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "types").mkdir()
    (folder / "aliquot.yaml").write_text(SETTINGS)
    (folder / "types/reading.yaml").write_text(TYPE)
    files = folder / "files"
    files.mkdir()
    for name, text in (
        ("a.csv", "well,value\nA1,1\n"),
        ("<b>.csv", "well,value\nA1,2\n"),
        ("c.csv", "well,value\n1,x"),
    ):
        (files / name).write_text(text)
    with open_lab(folder) as lab:
        definitions.apply(lab)
        types = [each.model for each in definitions.read_lab(folder).types.values()]
        acts_data.ingest(lab, ANA, "plates", [files], types)
        with lab.catalogue.write() as connection:
            for name, role in {"ana": "administrator", "bob": "administrator", "vera": "viewer"}.items():
                add_person(connection, ANA, name, {EVERYWHERE: Role(role)})
                set_password(connection, ANA, name, PASSWORD)
        yield lab


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    with Server(lab, read_settings("127.0.0.1:0")) as started:
        yield started


def client_of(lab: Lab, server: Server, name: str) -> httpx.Client:
    word = lab.catalogue.repeat(lambda c: open_session(c, find_person(c, name), ANA)).word
    headers = {"x-csrf-token": form_word(word)}
    return httpx.Client(
        base_url=f"{server.address}/api/v1", cookies={"aliquot_session": word}, headers=headers, timeout=120
    )


@pytest.fixture(scope="module")
def ana(lab: Lab, server: Server) -> Iterator[httpx.Client]:
    with client_of(lab, server, "ana") as client:
        yield client


@pytest.fixture(scope="module")
def vera(lab: Lab, server: Server) -> Iterator[httpx.Client]:
    with client_of(lab, server, "vera") as client:
        yield client


def test_an_account_is_made_once_and_its_link_shown_once(ana: httpx.Client, server: Server) -> None:
    key = {"idempotency-key": "tom"}
    wish = {"name": "tom", "title": "<i>Tom", "role": "technician", "project": "imaging"}
    made = ana.post("/people", json=wish, headers=key)
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/people/tom")
    assert made.json()["person"]["roles"] == {"imaging": "technician"}
    assert httpx.get(f"{server.address}{made.json()['link']}").status_code == 200
    again = ana.post("/people", json=wish, headers=key)
    assert (again.status_code, again.json()) == (201, {**made.json(), "link": None})
    assert ana.post("/people", json=wish).json()["code"] == "person-exists"
    assert ana.post("/people", json={**wish, "name": "No Name"}).json()["code"] == "login-name-refused"
    assert ana.post("/people", json={**wish, "name": "x", "project": "none"}).json()["code"] == "project-missing"
    assert ana.put("/people/tom/roles/*", json={"role": "viewer"}).json()["roles"] == {
        "*": "viewer",
        "imaging": "technician",
    }
    assert ana.delete("/people/tom/roles/imaging").json()["roles"] == {"*": "viewer"}
    assert ana.delete("/people/bob/roles/*").status_code == 200
    assert ana.delete("/people/ana/roles/*").json()["code"] == "last-administrator"
    assert ana.put("/people/bob/roles/*", json={"role": "administrator"}).status_code == 200
    assert ana.post("/people/tom/disable").json()["disabled_at"]
    assert ana.post("/people/tom/enable").json()["disabled_at"] is None
    assert ana.post("/people/tom/invite").json()["link"] != made.json()["link"]
    assert httpx.get(f"{server.address}{made.json()['link']}").status_code != 200
    first = ana.get("/people", params={"limit": 1}).json()
    then = ana.get("/people", params={"limit": 100, "after": first["next"]}).json()
    assert [each["name"] for each in first["people"] + then["people"]] == ["ana", "bob", "tom", "vera"]
    assert ana.get("/people/nobody").status_code == 404


def test_everybody_is_told_what_they_may_do(ana: httpx.Client, vera: httpx.Client) -> None:
    mine = vera.get("/account").json()
    assert (mine["name"], mine["how"], mine["roles"]) == ("vera", "session", {"*": "viewer"})
    assert mine["may"]["dataset.read"] is None
    assert "people.manage" not in mine["may"]
    assert mine["csrf"] == vera.headers["x-csrf-token"]
    assert {"action": "lab.sweep", "reach": "lab", "roles": ["administrator"]}.items() <= next(
        each for each in ana.get("/rights").json()["rights"] if each["action"] == "lab.sweep"
    ).items()
    lines = {each["project"]: each for each in vera.get("/projects").json()["projects"]}
    assert (lines["lab"]["datasets"], lines["lab"]["people"], lines["imaging"]["listed"]) == (1, None, True)
    assert {each["project"]: each["people"] for each in ana.get("/projects").json()["projects"]}["imaging"] >= 3
    assert {"name": "vera", "role": "viewer"} in ana.get("/projects/imaging/members").json()["members"]


def test_a_session_is_ended_at_once(ana: httpx.Client, lab: Lab, server: Server) -> None:
    with client_of(lab, server, "vera") as other:
        assert other.get("/account").status_code == 200
        found = ana.get("/sessions", params={"name": "vera", "limit": 1}).json()
        assert ana.delete(f"/sessions/{found['sessions'][0]['id']}").status_code == 204
        assert other.get("/account").status_code == 401
        assert ana.delete(f"/sessions/{found['sessions'][0]['id']}").status_code == 404


def test_a_token_does_what_its_scope_says_until_its_person_goes(ana: httpx.Client, vera: httpx.Client) -> None:
    key, wish = {"idempotency-key": "reader"}, {"name": "reader", "scope": ["dataset.read"], "days": 1}
    made = vera.post("/tokens", json=wish, headers=key).json()
    again = vera.post("/tokens", json=wish, headers=key).json()
    assert again == {"token": made["token"], "word": None}
    bearer = {"authorization": f"Bearer {made['word']}"}
    address = str(vera.base_url)
    assert httpx.get(f"{address}datasets", headers=bearer).status_code == 200
    assert httpx.get(f"{address}runs", headers=bearer).json()["code"] == "access-denied"
    assert httpx.post(f"{address}tokens", headers=bearer, json=wish).status_code == 403
    assert vera.post("/tokens", json={**wish, "scope": ["dataset.tag"]}).json()["code"] == "token-beyond-role"
    assert vera.post("/tokens", json={**wish, "user": "ana"}).status_code == 403
    assert vera.get("/tokens", params={"user": "*"}).status_code == 403
    number = made["token"]["id"]
    assert number in [each["id"] for each in ana.get("/tokens", params={"user": "*"}).json()["tokens"]]
    assert [each["id"] for each in vera.get("/tokens").json()["tokens"]] == [number]
    # Whether a number is anybody's token is not told.
    assert vera.delete("/tokens/999").status_code == 403
    assert ana.delete("/tokens/999").status_code == 404
    assert vera.delete(f"/tokens/{number}").json()["ended_at"]
    assert httpx.get(f"{address}datasets", headers=bearer).json()["code"] == "token-over"
    ana.post("/people", json={"name": "gone", "role": "viewer"})
    theirs = ana.post("/tokens", json={**wish, "user": "gone"}).json()["word"]
    ana.post("/people/gone/disable")
    assert httpx.get(f"{address}datasets", headers={"authorization": f"Bearer {theirs}"}).status_code == 401


def test_what_waits_for_a_second_person_is_signed_by_one(
    ana: httpx.Client, vera: httpx.Client, lab: Lab, server: Server
) -> None:
    asked = approving.ask_release(lab, ANA, 1, "it is right")
    assert [each["id"] for each in ana.get("/approvals").json()["approvals"]] == [asked.id]
    assert vera.get("/approvals").status_code == 403
    sign = {"decision": "approve", "password": PASSWORD, "because": "I have seen it"}
    assert ana.post(f"/approvals/{asked.id}/decide", json=sign).json()["code"] == "approval-own"
    with client_of(lab, server, "bob") as bob:
        wrong = bob.post(f"/approvals/{asked.id}/decide", json={**sign, "password": "no"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "sign-in-refused")
        done = bob.post(f"/approvals/{asked.id}/decide", json=sign).json()
        assert (done["state"], done["decided_by"]) == ("APPROVED", "bob")
        assert bob.post(f"/approvals/{asked.id}/decide", json=sign).json()["code"] == "approval-decided"
    assert ana.get("/approvals").json()["approvals"] == []
    assert ana.get("/approvals", params={"decided": True}).json()["approvals"][0]["reason"] == "I have seen it"
    assert ana.post(f"/approvals/{asked.id}/withdraw").status_code == 409
    assert ana.get("/approvals/99").status_code == 404


def test_the_audit_is_searched_read_and_proved(ana: httpx.Client, vera: httpx.Client) -> None:
    assert vera.delete("/tokens/998").status_code == 403
    first = ana.get("/audit", params={"who": "vera", "outcome": "denied", "limit": 1}).json()
    assert first["entries"][0]["subject"] == "DELETE /api/v1/tokens/998"
    number = first["entries"][0]["number"]
    assert ana.get(f"/audit/{number}").json() == first["entries"][0]
    assert ana.get("/audit/999999").json()["code"] == "audit-row-missing"
    assert ana.get("/audit", params={"subject": "person v*", "since": "2020-01-01"}).json()["entries"]
    assert ana.get("/audit", params={"since": "never"}).json()["code"] == "time-refused"
    assert ana.get("/audit/verify").json()["faults"] == []
    assert len(ana.get("/audit/export").text.splitlines()) >= number
    assert ana.get("/administration/health").json()["database"]["ok"]
    assert {"uses", "whole", "executor"} <= set(ana.get("/administration").json())
    assert ana.get("/administration/runs").json() == {"runs": [], "total": 0}


def test_the_hub_is_asked_in_sql(ana: httpx.Client) -> None:
    assert ana.get("/hub/tables").json() == {"tables": [], "next": None}
    assert ana.get("/hub/tables/none").json()["code"] == "table-missing"
    rows = ana.post("/hub/query", json={"sql": "SELECT 1 AS a UNION SELECT 2", "limit": 1}).json()
    assert (rows["columns"], rows["rows"], rows["truncated"]) == (["a"], [[1]], True)
    assert ana.post("/hub/query", json={"sql": "DROP TABLE x"}).json()["code"] == "query-refused"


def test_files_are_listed_followed_and_taken_out(ana: httpx.Client, vera: httpx.Client) -> None:
    first = ana.get("/datasets/plates/versions/1/files", params={"limit": 1}).json()
    then = ana.get("/datasets/plates/versions/1/files", params={"after": first["next"]}).json()
    paths = [each["path"] for each in first["files"] + then["files"]]
    assert paths == ["/<b>.csv", "/a.csv"]
    shown = ana.get("/datasets/plates/versions/1/files/a.csv").json()
    assert (shown["size"], shown["came_from"][0]["kind"]) == (16, "arrival")
    tree = ana.get("/datasets/plates/versions/1/lineage/a.csv", params={"direction": "back"}).json()["root"]
    assert [each["kind"] for each in tree["back"]] == ["arrival"]
    assert ana.get("/datasets/plates/versions/latest/lineage").json()["root"]["kind"] == "version"
    assert ana.get("/datasets/plates/usage").json()["dataset"] == "plates"
    wish, key = {"paths": ["/a.csv"], "because": "swapped"}, {"idempotency-key": "swap"}
    assert vera.post("/datasets/plates/remove", json=wish).status_code == 403
    done = ana.post("/datasets/plates/remove", json=wish, headers=key)
    assert (done.status_code, done.json()["removed"]) == (201, 1)
    again = ana.post("/datasets/plates/remove", json=wish, headers=key)
    assert (again.status_code, again.json()) == (201, done.json())
    assert ana.post("/datasets/plates/remove", json=wish).json()["code"] == "file-missing"
    moved = ana.put("/datasets/plates/project", json={"project": "imaging"}).json()
    assert (moved["before"], moved["project"]) == ("lab", "imaging")
    assert ana.put("/datasets/plates/project", json={"project": "none"}).json()["code"] == "project-missing"
    assert ana.put("/datasets/plates/project", json={"project": "lab"}).status_code == 200


def test_a_nul_is_refused_wherever_it_stands(ana: httpx.Client) -> None:
    for answer in (
        ana.get("/people/a%00b"), ana.get("/datasets", params={"q": "\0"}),
        ana.post("/tokens", json={"name": "a\0b", "scope": ["run.read"]}),
        ana.post("/runs", json={"pipeline": "x", "parameters": {"a": [{"b\0": 1}]}}),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (422, "request-refused"), answer.text
    # What only looks like one is none.
    said = ana.post("/hub/query", json={"sql": r"SELECT '\u0000' AS a"}).json()
    assert said["rows"] == [[r"\u0000"]]
