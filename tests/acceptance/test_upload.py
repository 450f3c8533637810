"""Uploads over HTTP: in pieces, gone on with after a cut, taken in together; refused with clear words."""

import base64
import socket
from collections.abc import Iterator

import httpx
import pytest
from blake3 import blake3

from aliquot.lab import open_lab
from browse import chromium, watched
from lab_folder import LabFolder
from running_server import RunningServer, form_word, running_server
from waiting import until

_LAB = """
lab: riverside
uploads: {largest: 8MiB}
executor: {kind: process, workers: 1}
sources:
  reader:
    watch: ./inbox
    accept: [{type: plate, into: plates}]
"""
_TYPE = """
type: plate
recognise: {name: "*.csv"}
format: table
table:
  fields: [{name: well, type: string}, {name: value, type: number}]
describe:
  type: object
  required: [instrument]
  properties:
    instrument: {type: string, title: Instrument}
    gain: {type: number, unit: dB}
"""
LARGE = bytes(range(256)) * 12_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("lab"))
    lab.write("aliquot.yaml", _LAB)
    lab.write("types/plate.yaml", _TYPE)
    (lab.folder / "inbox").mkdir()
    lab.run("apply")
    with running_server(lab) as started:
        yield started


@pytest.fixture(scope="module")
def admin(server: RunningServer) -> Iterator[httpx.Client]:
    client = server.administrator()
    client.headers["x-csrf-token"] = form_word(client.get("/").text)
    yield client
    client.close()


def begin(client: httpx.Client, name: str, size: int, into: str = "texts") -> httpx.Response:
    words = {"filename": name, "into": into}
    said = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in words.items())
    return client.post("/api/v1/uploads", headers={"upload-length": str(size), "upload-metadata": said})


def send(client: httpx.Client, address: str, data: bytes, offset: int = 0) -> httpx.Response:
    return client.patch(address, content=data, headers={"upload-offset": str(offset)})


def upload(client: httpx.Client, name: str, data: bytes, into: str = "texts") -> str:
    address = begin(client, name, len(data), into).headers["location"]
    if data:
        assert send(client, address, data).status_code == 204
    return address.rpartition("/")[2]


def take(client: httpx.Client, into: str, *uploads: str, **more: object) -> httpx.Response:
    return client.post("/api/v1/uploads/take", json={"into": into, "uploads": uploads, **more})


def test_an_upload_goes_on_where_it_was_cut(server: RunningServer, admin: httpx.Client) -> None:
    address = begin(admin, "a <b>ö.bin", len(LARGE)).headers["location"]
    # The line is cut long after the head of the request, and before its end.
    host, port = server.address.removeprefix("http://").split(":")
    cookies = "; ".join(f"{name}={value}" for name, value in admin.cookies.items())
    head = (
        f"PATCH {address} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookies}\r\nUpload-Offset: 0\r\n"
        f"X-CSRF-Token: {admin.headers['x-csrf-token']}\r\nContent-Length: {len(LARGE)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as line:
        line.sendall(head.encode() + LARGE[:-1000])
    # Whoever asks first for the upload has it, so what goes on waits until the first request is at it.
    arrived = until(lambda: int(admin.head(address).headers["upload-offset"]))
    assert arrived < len(LARGE)

    def go_on() -> bool:
        offset = int(admin.head(address).headers["upload-offset"])
        answer = send(admin, address, LARGE[offset:], offset)
        assert answer.status_code == 204 or answer.json()["code"] in {"upload-busy", "upload-offset"}, answer.text
        return answer.status_code == 204

    assert until(go_on)
    told = admin.head(address).headers
    assert (told["upload-length"], told["upload-offset"]) == (str(len(LARGE)), str(len(LARGE)))
    state = admin.get(address).json()
    assert state["digest"] == "blake3:" + blake3(LARGE).hexdigest()
    outcome = take(admin, "texts", state["upload"])
    assert outcome.status_code == 201, outcome.text
    assert (outcome.json()["versions"], outcome.json()["added"]) == ([1], 1)
    assert take(admin, "texts", state["upload"]).json() == outcome.json()
    assert admin.get("/datasets/texts/1/download/a <b>ö.bin").content == LARGE
    with open_lab(server.lab.folder) as lab:
        assert not list((lab.folder / ".aliquot/uploads").glob("take-*"))
    assert server.lab.run("admin", "verify").returncode == 0


def test_the_same_file_twice_changes_nothing(admin: httpx.Client) -> None:
    first = take(
        admin, "same", upload(admin, "one.txt", b"text", "same"), upload(admin, "none.txt", b"", "same")
    ).json()
    assert (first["added"], first["unchanged"], first["versions"]) == (2, 0, [1])
    again = take(admin, "same", upload(admin, "one.txt", b"text", "same")).json()
    assert (again["added"], again["unchanged"], again["versions"]) == (0, 1, [])


def test_what_cannot_be_taken_is_said(admin: httpx.Client) -> None:
    assert begin(admin, "big.png", 5 * 2**30).json()["code"] == "upload-too-large"
    for name in (".hidden", "../up", "a//b", "x" * 256, "nul\0"):
        assert begin(admin, name, 1).status_code == 422, name
    assert begin(admin, "ö" * 127, 1).status_code == 201
    assert begin(admin, "a", 1, "Not A Name").json()["code"] == "name-refused"
    address = begin(admin, "a.txt", 4).headers["location"]
    assert take(admin, "texts", address.rpartition("/")[2]).json()["code"] == "upload-incomplete"
    assert send(admin, address, b"x", 2).json()["code"] == "upload-offset"
    assert send(admin, address, b"too long").json()["code"] == "upload-too-long"
    assert admin.delete(address).status_code == 204
    assert admin.get(address).json()["code"] == "upload-missing"
    assert admin.get("/api/v1/uploads/..").status_code == 404
    metadata = {"upload-length": "1", "upload-metadata": "filename %%%"}
    assert admin.post("/api/v1/uploads", headers=metadata).status_code == 422
    assert take(admin, "texts", "0" * 32).status_code == 404


def test_what_is_said_of_a_file_stays_with_its_receipt(admin: httpx.Client) -> None:
    data = b"well,value\nA1,2.5\n"
    refused = take(admin, "plates", upload(admin, "p1.csv", data, "plates")).json()
    assert [each["path"] for each in refused["quarantined"]] == ["/p1.csv"]
    said = {"plate": {"instrument": "reader 2", "gain": "3"}}
    done = take(admin, "plates", upload(admin, "p2.csv", data, "plates"), described=said).json()
    assert done["versions"] == [1], done
    found = admin.get("/api/v1/receipts", params={"q": "p2.csv"}).json()["receipts"]
    assert len(found) == 1
    values = {name: each["value"] for name, each in found[0]["facts"]["described"].items()}
    assert values == {"instrument": "reader 2", "gain": 3}
    assert admin.get("/receipts", params={"q": blake3(data).hexdigest()[:12]}).text.count("p2.csv") == 1
    page = admin.get(f"/receipts/{found[0]['id']}").text
    assert "reader 2" in page
    assert "given by admin" in page
    assert "No such file has arrived" in admin.get("/receipts?q=nothing.csv").text
    assert admin.get("/receipts/999").status_code == 404
    odd = take(admin, "plates", upload(admin, "p3.csv", data, "plates"), described={"plate": {"odd": "1"}})
    assert odd.json()["code"] == "record-unknown"


def test_the_form_works_without_script(admin: httpx.Client) -> None:
    page = admin.get("/uploads?into=plates").text
    assert "describe:plate:instrument" in page
    files = [("files", ("p4.csv", b"well,value\nA1,1\n")), ("files", ("p5.csv", b"well,value\nA1,2\n"))]
    words = {"csrf": form_word(page), "into": "plates", "describe:plate:instrument": "reader 1"}
    answer = admin.post("/uploads", data=words, files=files)
    assert answer.status_code == 303, answer.text
    shown = admin.get(answer.headers["location"]).text
    assert "2 files added or changed" in shown
    nothing = admin.post("/uploads", data=words, files=[("files", ("", b""))])
    assert nothing.status_code == 422
    assert "choose a file first" in nothing.text
    large = admin.post("/uploads", data=words, files=[("files", ("big.csv", bytes(9 << 20)))])
    assert (large.status_code, "upload may have 8.0 MiB" in large.text) == (422, True)


def test_nobody_and_others_send_nothing(server: RunningServer, admin: httpx.Client) -> None:
    address = begin(admin, "mine.txt", 4).headers["location"]
    with server.client() as nobody:
        assert send(nobody, address, b"text").status_code == 401
        assert nobody.post("/uploads", files={"files": b"x"}).status_code == 303


def test_the_page_sends_in_pieces_by_script(server: RunningServer, admin: httpx.Client) -> None:
    given = server.lab.write("p9.csv", b"well,value\nA1,9\n")
    with chromium() as browser:
        context = browser.new_context(base_url=server.address)
        context.add_cookies([{"name": n, "value": v, "url": server.address} for n, v in admin.cookies.items()])
        page, seen = watched(context, server.address)
        page.goto("/uploads?into=plates")
        page.set_input_files("#files", str(given))
        page.fill("input[name='describe:plate:instrument']", "reader 7")
        page.click("button.main")
        page.wait_for_url("**/uploads/*")
        assert "1 file added or changed" in page.inner_text("main")
        assert seen.errors == []
