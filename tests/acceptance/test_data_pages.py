"""Datasets over HTTP: lists, versions, files as a tree, what changed, and taking files out."""

import io
import zipfile
from collections.abc import Iterator

import httpx
import pytest

from lab_folder import LabFolder
from running_server import PASSWORD, RunningServer, form_word, running_server

ODD = 'a "b" <i>ö & 100%.txt'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("lab"))
    lab.write("aliquot.yaml", "lab: riverside\nprojects: [other]\nexecutor: {kind: process, workers: 1}\n")
    lab.run("apply")
    for name in ("one.txt", "deep/er/two.txt", ODD):
        lab.write(f"files/{name}", f"text of {name}")
    lab.write("files/large.bin", bytes(range(256)) * 8192)
    lab.run("ingest", "texts", "files")
    lab.write("files/one.txt", "another text")
    lab.run("ingest", "texts", "files/one.txt")
    with running_server(lab) as started:
        yield started


@pytest.fixture(scope="module")
def admin(server: RunningServer) -> Iterator[httpx.Client]:
    client = server.administrator()
    yield client
    client.close()


def test_a_dataset_is_found_and_shown(admin: httpx.Client) -> None:
    assert [each["name"] for each in admin.get("/datasets.json?q=EX").json()["datasets"]] == ["texts"]
    assert "There is no dataset like that" in admin.get("/datasets?q=none").text
    said = admin.get("/datasets/texts.json").json()["dataset"]
    steps = [(each["number"], each["added"], each["changed"], each["removed"]) for each in said["versions"]]
    assert steps == [(2, 0, 1, 0), (1, 4, 0, 0)]
    assert "given by hand by tester" in admin.get("/datasets/texts").text
    level = admin.get("/datasets/texts/1.json").json()["detail"]["level"]
    assert [each["name"] for each in level["files"]] == [ODD, "large.bin", "one.txt"]
    page = admin.get("/datasets/texts/1", params={"folder": "/deep/er"}).text
    assert "two.txt" in page
    assert "<i>" not in admin.get("/datasets/texts/1").text
    for path in ("/datasets/none", "/datasets/texts/9", "/datasets/texts/odd", "/datasets/texts/1/diff/9"):
        answer = admin.get(path)
        assert (answer.status_code, "text/html" in answer.headers["content-type"]) == (404, True), path
    assert admin.get("/datasets/texts/1", params={"start": "\0"}).status_code == 422


def test_two_versions_are_compared(admin: httpx.Client) -> None:
    found = admin.get("/datasets/texts/2/diff/1.json").json()["changes"]
    assert [(each["path"], each["kind"], each["size_after"]) for each in found["files"]] == [
        ("/one.txt", "changed", 12)
    ]
    first = admin.get("/datasets/texts/1/diff/0.json").json()["changes"]
    assert (first["added"], first["changed"], first["removed"]) == (4, 0, 0)
    word = form_word(admin.get("/datasets/texts").text)
    answer = admin.post("/datasets/texts/compare", data={"csrf": word, "before": "1", "after": "latest"})
    assert answer.headers["location"] == "/datasets/texts/2/diff/1"


def test_a_tag_is_set_and_taken_away(admin: httpx.Client) -> None:
    word = form_word(admin.get("/datasets/texts").text)
    assert admin.post("/datasets/texts/tags", data={"csrf": word, "tag": "good", "version": "1"}).status_code == 303
    assert admin.get("/datasets/texts/good.json").json()["detail"]["version"]["number"] == 1
    assert "good" in admin.get("/datasets").text
    assert admin.post("/datasets/texts/tags", data={"csrf": word, "tag": "7", "version": "1"}).status_code == 422
    assert admin.post("/datasets/texts/tags", data={"csrf": word, "tag": "good"}).status_code == 303
    assert admin.get("/datasets/texts/good").status_code == 404


def test_files_are_taken_out_whole_and_in_parts(admin: httpx.Client) -> None:
    whole = bytes(range(256)) * 8192
    large = "/datasets/texts/1/download/large.bin"
    answer = admin.get(large)
    assert answer.content == whole
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    for asked, expected in (
        ("bytes=5-9", whole[5:10]),
        ("bytes=-7", whole[-7:]),
        (f"bytes={len(whole) - 2}-", whole[-2:]),
    ):
        part = admin.get(large, headers={"range": asked})
        assert (part.status_code, part.content) == (206, expected)
    assert admin.get(large, headers={"range": f"bytes={len(whole)}-"}).status_code == 416
    assert admin.get(large, headers={"range": "bytes=5-2"}).status_code == 200
    tag = answer.headers["etag"]
    assert admin.get(large, headers={"if-none-match": tag}).status_code == 304
    assert admin.get(large, headers={"range": "bytes=0-1", "if-range": '"old"'}).content == whole
    odd = admin.get(f"/datasets/texts/latest/download/{ODD.replace('%', '%25')}")
    assert odd.text == f"text of {ODD}"
    assert admin.get("/datasets/texts/1/download/none").status_code == 404
    # The newest version's file is another one than that of the first.
    assert admin.get("/datasets/texts/2/download/one.txt").text == "another text"


def test_a_zip_holds_what_was_chosen(admin: httpx.Client) -> None:
    def names(query: str) -> list[str]:
        answer = admin.get(f"/datasets/texts/1/zip{query}")
        assert answer.status_code == 200, answer.text
        with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
            assert found.testzip() is None
            return sorted(found.namelist())

    assert names("") == sorted(["one.txt", "deep/er/two.txt", ODD, "large.bin"])
    assert names("?path=/deep/&path=/one.txt&path=/deep/er/two.txt") == ["deep/er/two.txt", "one.txt"]
    assert admin.get("/datasets/texts/1/zip?path=/none/").status_code == 404


def test_programs_get_the_same(admin: httpx.Client) -> None:
    api = "/api/v1/datasets"
    assert [each["name"] for each in admin.get(api).json()["datasets"]] == ["texts"]
    assert admin.get(f"{api}/texts").json() == admin.get("/datasets/texts.json").json()["dataset"]
    listed = admin.get(f"{api}/texts/versions/1?folder=/&limit=1").json()["level"]
    rest = admin.get(f"{api}/texts/versions/1", params={"start": listed["next"]}).json()["level"]
    assert len(listed["files"] + listed["folders"]) == 1
    assert len(rest["files"] + rest["folders"]) == 3
    assert admin.get(f"{api}/texts/versions/2/diff?before=1").json()["changes"]["changed"] == 1
    assert admin.get(f"{api}/texts/versions/2/content/one.txt").text == "another text"
    word = {"x-csrf-token": form_word(admin.get("/datasets").text)}
    moved = admin.put(f"{api}/texts/tags/seen", json={"version": 2}, headers=word).json()
    assert (moved["before"], moved["after"]) == (None, 2)
    assert admin.put(f"{api}/texts/tags/seen", json={"version": 9}, headers=word).status_code == 404


def test_others_see_nothing_of_it(server: RunningServer) -> None:
    link = server.lab.json("user", "add", "eve", "--role", "viewer", "--project", "other")["link"]
    with server.client() as client:
        for path in ("/datasets", "/datasets/texts", "/datasets/texts/1/download/one.txt", "/datasets/texts/1/zip"):
            assert client.get(path).headers["location"].startswith("/login"), path
        sent = {"password": PASSWORD, "again": PASSWORD, "csrf": form_word(client.get(link).text)}
        assert client.post(link, data=sent).status_code == 303
        assert client.get("/datasets.json").json()["datasets"] == []
        assert client.get("/datasets.json?project=lab").json()["datasets"] == []
        word = form_word(client.get("/datasets").text)
        for path in ("/datasets/texts", "/datasets/texts/1", "/datasets/texts/1/download/one.txt"):
            assert client.get(path).status_code == 404, path
        tag = {"csrf": word, "tag": "x", "version": "1"}
        assert client.post("/datasets/texts/tags", data=tag).status_code == 403
