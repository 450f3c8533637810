"""Sources on pages, in the API and on the command line: how they stand, what waits, looking now."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from aliquot.access.people import add_person
from aliquot.access.rights import Role
from aliquot.access.tokens import make_token
from aliquot.lab import open_lab
from lab_folder import LabFolder
from running_server import RunningServer, form_word, running_server
from waiting import until

SETTINGS = """
lab: riverside
executor: {kind: process, workers: 1}
projects: [blue]
sources:
  pairs:
    watch: ./inbox
    settled: {quiet: 0s, set: ["{name}.imzML", "{name}.ibd"]}
    accept: [{type: any, into: pairs}]
  gone: {watch: ./nowhere, interval: 1d, accept: [{type: any, into: pairs}]}
  blue: {watch: ./blue, project: blue, interval: 1d, accept: [{type: any, into: blues}]}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("sources") / "lab")
    lab.write("aliquot.yaml", SETTINGS)
    lab.write("types/any.yaml", "type: any\nrecognise: {name: '*'}\n")
    lab.write("inbox/<b>lonely.imzML", "x")
    lab.write("inbox/plain.txt", "x")
    (lab.folder / "blue").mkdir()
    lab.run("apply")
    with running_server(lab, "up") as started:
        yield started


@pytest.fixture(scope="module")
def admin(server: RunningServer) -> Iterator[httpx.Client]:
    client = server.administrator()
    yield client
    client.close()


def test_a_source_says_how_it_stands_and_is_looked_at_when_asked(admin: httpx.Client, server: RunningServer) -> None:
    def stands() -> dict[str, dict[str, object]]:
        return {each["name"]: each for each in admin.get("/api/v1/sources").json()["sources"]}

    def waits() -> bool:
        found = stands()
        return bool(found["pairs"]["unsettled"]) and found["gone"]["looked_at"] is not None

    until(waits)
    found = stands()
    assert found["pairs"]["stands"] == "well"
    (waiting,) = found["pairs"]["first_unsettled"]  # type: ignore[misc]
    assert waiting["path"] == "/<b>lonely.imzML"
    assert "ibd" in waiting["why"]
    assert found["gone"]["stands"] == "out of reach"
    assert "nowhere" in str(found["gone"]["problem"])
    page = admin.get("/sources/pairs").text
    assert "&lt;b&gt;lonely.imzML" in page
    assert "Look now" in page
    assert admin.get("/sources/pairs.json").json()["source"] == admin.get("/api/v1/sources/pairs").json()
    assert "&lt;b&gt;lonely" not in admin.get("/sources").text
    assert admin.get("/sources/none").status_code == 404
    (server.lab.folder / "nowhere").mkdir()
    server.lab.write("nowhere/late.txt", "x")
    csrf = form_word(admin.get("/sources/gone").text)
    assert admin.post("/sources/gone/wake", data={"csrf": csrf}).status_code == 303
    until(lambda: stands()["gone"]["last_path"] == "/late.txt")
    before = stands()["gone"]["looked_at"]
    assert admin.post("/api/v1/sources/gone/wake", headers={"x-csrf-token": csrf}).status_code == 202
    until(lambda: stands()["gone"]["looked_at"] != before)
    listed = json.loads(server.lab.run("source", "list", "--json").stdout)
    assert [each["name"] for each in listed] == ["blue", "gone", "pairs"]
    shown = server.lab.run("source", "show", "pairs").stdout
    assert "lonely.imzML" in shown
    assert server.lab.run("source", "wake", "pairs").stdout == "pairs is looked at within a second.\n"
    assert "did you mean 'pairs'" in server.lab.run("source", "wake", "pair", expect=3).stderr
    rows = json.loads(server.lab.run("admin", "audit", "search", "--action", "source.wake", "--json").stdout)
    assert len(rows) == 3


def test_what_is_of_another_project_is_not_there(server: RunningServer, admin: httpx.Client) -> None:
    words: dict[str, str] = {}
    with open_lab(server.lab.folder) as lab, lab.catalogue.write() as connection:
        for name, role, scope in (
            ("vera", Role.VIEWER, ["source.read"]), ("tom", Role.TECHNICIAN, ["source.read", "source.wake"])
        ):  # fmt: skip
            add_person(connection, lab.by, name, {"blue": role})
            words[name], _ = make_token(connection, lab.by, name, "x", scope)
    for name, status in (("vera", 403), ("tom", 202)):
        with httpx.Client(base_url=server.address, headers={"authorization": f"Bearer {words[name]}"}) as client:
            assert [each["name"] for each in client.get("/api/v1/sources").json()["sources"]] == ["blue"]
            assert client.get("/api/v1/sources/pairs").status_code == 404
            assert client.post("/api/v1/sources/blue/wake").status_code == status
            assert client.post("/api/v1/sources/pairs/wake").status_code in {403, 404}
    with server.client() as nobody:
        assert nobody.get("/api/v1/sources").status_code == 401
        assert nobody.get("/sources/pairs").status_code == 303


def test_how_a_source_stood_when_the_lab_went_down_is_what_is_said_of_it(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path / "lab")
    accept = "accept: [{type: any, into: plates}]"
    lab.write("aliquot.yaml", f"lab: l\nsources:\n  s: {{watch: ./inbox, settled: {{quiet: 300ms}}, {accept}}}\n")
    lab.write("types/any.yaml", "type: any\nrecognise: {name: '*'}\n")
    lab.write("inbox/plain.txt", "x")
    lab.run("apply")
    lab.up()
    (stands,) = lab.json("source", "list")
    assert (stands["unsettled"], stands["listed"]) == (0, 1)
