"""Working the quarantine from programs, and taking refused files out with their findings."""

import base64
import csv
import io
import json
import zipfile
from collections.abc import Iterator

import httpx
import pytest

from aliquot.access.people import add_person
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.access.tokens import make_token
from aliquot.intake.quarantine import list_held
from aliquot.lab import open_lab
from lab_folder import LabFolder
from running_server import RunningServer, running_server

SETTINGS = """
lab: riverside
executor: {kind: process, workers: 1}
projects: [blue]
sources:
  readings: {watch: ./inbox, settled: {quiet: 0s}, accept: [{type: reading, into: readings}]}
  blues: {watch: ./blue, project: blue, settled: {quiet: 0s}, accept: [{type: reading, into: blues}]}
"""
TYPE = """
type: reading
recognise: {name: "*.csv"}
format: table
table: {fields: [{name: well, type: string}, {name: value, type: number, constraints: {minimum: 0}}]}
"""
BAD = "well,value\nA1,1\nA2,=1+2\n"
SCOPE = ["quarantine.read", "quarantine.assign", "quarantine.resubmit", "dataset.ingest"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("held") / "lab")
    lab.write("aliquot.yaml", SETTINGS)
    lab.write("types/reading.yaml", TYPE)
    for name in ("inbox/day 1/ä.csv", "inbox/two.csv", "blue/three.csv"):
        lab.write(name, BAD)
    lab.run("apply")
    lab.up(expect=None)
    with running_server(lab) as started:
        yield started


def held(server: RunningServer, name: str) -> int:
    with open_lab(server.lab.folder) as lab, lab.catalogue.read() as connection:
        return next(each.id for each in list_held(connection, None) if each.path.endswith(name))


@pytest.fixture(scope="module")
def technician(server: RunningServer) -> Iterator[httpx.Client]:
    with open_lab(server.lab.folder) as lab, lab.catalogue.write() as connection:
        add_person(connection, lab.by, "tom", {"lab": Role.TECHNICIAN})
        add_person(connection, lab.by, "vera", {EVERYWHERE: Role.VIEWER})
        word, _ = make_token(connection, lab.by, "tom", "bench", SCOPE)
    with httpx.Client(base_url=server.address, headers={"authorization": f"Bearer {word}"}) as client:
        yield client


def upload(client: httpx.Client, name: str, data: bytes) -> str:
    said = {"upload-length": str(len(data)), "upload-metadata": f"filename {base64.b64encode(name.encode()).decode()}"}
    begun = client.post("/api/v1/uploads", headers=said)
    assert begun.status_code == 201, begun.text
    sent = client.patch(begun.headers["location"], content=data, headers={"upload-offset": "0"})
    assert sent.status_code == 204
    return begun.json()["upload"]


def test_a_program_assigns_corrects_and_reads_the_thread(server: RunningServer, technician: httpx.Client) -> None:
    number = held(server, "two.csv")
    here = f"/api/v1/quarantine/{number}"
    assert technician.post(f"{here}/assign", json={"to": "vera"}).json()["assigned_to"] == "vera"
    assert technician.post(f"{here}/assign", json={}).status_code == 422
    assert technician.get(f"{here}/content/two.csv").text == BAD
    assert technician.get(f"{here}/content/none").status_code == 404
    sent = upload(technician, "typed anew.csv", b"well,value\nA1,1\nA2,3\n")
    wish = {"because": "typed anew", "uploads": [sent]}
    assert technician.post(f"{here}/resubmit", json=wish | {"uploads": ["0" * 32]}).status_code == 404
    done = technician.post(f"{here}/resubmit", json=wish)
    assert (done.status_code, done.json()["added"], done.json()["versions"]) == (201, 1, [1])
    assert technician.post(f"{here}/resubmit", json=wish).json() == done.json()
    again = wish | {"uploads": [upload(technician, "x.csv", b"well,value\nA1,1\n")]}
    assert technician.post(f"{here}/resubmit", json=again).status_code == 409
    assert technician.get(here).json()["state"] == "REPLACED"
    told = technician.get(f"{here}/thread").json()
    assert [(each["who"], each["what"]) for each in told["events"]] == [("tom", "assigned"), ("tom", "replaced")]
    other = held(server, "three.csv")
    for verb, body in (("assign", {"to": "tom"}), ("resubmit", wish)):
        assert technician.post(f"/api/v1/quarantine/{other}/{verb}", json=body).status_code == 404
    assert technician.get("/api/v1/quarantine/zip", params={"number": [number, other]}).status_code == 404
    assert technician.get("/api/v1/quarantine/zip").status_code == 422
    assert technician.get("/api/v1/quarantine/zip", params={"number": 99}).status_code == 404


def test_refused_files_are_taken_out_with_their_findings(server: RunningServer, technician: httpx.Client) -> None:
    lab, first, other = server.lab, held(server, "ä.csv"), held(server, "three.csv")
    found = technician.get("/api/v1/quarantine/zip", params={"number": first})
    assert found.headers["content-disposition"] == f'attachment; filename="quarantine-{first}.zip"'
    with zipfile.ZipFile(io.BytesIO(found.content)) as members:
        assert members.testzip() is None
        assert members.read(f"{first}/files/day 1/ä.csv").decode() == BAD
        (row,) = csv.DictReader(io.StringIO(members.read(f"{first}/findings.csv").decode("utf-8-sig")))
        told = json.loads(members.read(f"{first}/quarantine.json"))
    # What begins like a formula must not be one in a spreadsheet.
    assert (row["row"], row["column"], row["value"], row["severity"]) == ("3", "value", "'=1+2", "error")
    assert (told["path"], told["findings"][0]["value"]) == ("/day 1/ä.csv", "=1+2")
    words = ("quarantine", "export", str(first), str(other))
    assert lab.run(*words, "both").stdout.split() == [f"both/{each}" for each in sorted([first, other])]
    assert (lab.folder / f"both/{first}/files/day 1/ä.csv").read_text() == BAD
    assert (lab.folder / f"both/{other}/findings.csv").is_file()
    assert "there already" in lab.run(*words, "both", expect=4).stderr
    assert sorted(each.name for each in (lab.folder / "both").iterdir()) == sorted([str(first), str(other)])
    lab.run(*words, "both.zip")
    assert zipfile.ZipFile(lab.folder / "both.zip").testzip() is None
    assert "no number" in lab.run("quarantine", "export", str(first), "x", "both", expect=2).stderr


def test_the_pages_offer_it(server: RunningServer) -> None:
    first, other = held(server, "ä.csv"), held(server, "three.csv")
    admin = server.administrator()
    assert f"/quarantine/zip?number={first}" in admin.get(f"/quarantine/{first}").text
    assert f'name="number" value="{other}"' in admin.get("/quarantine").text
    saved = admin.get("/quarantine/zip", params={"number": [first, other]})
    assert zipfile.ZipFile(io.BytesIO(saved.content)).testzip() is None
    admin.close()
