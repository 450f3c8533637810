"""Adopted files over HTTP: downloads, ranges, zips and previews of what lies elsewhere, and what is told of losses."""

import io
import shutil
import zipfile
from collections.abc import Iterator

import httpx
import pytest

from aliquot.access.by import at_the_machine
from aliquot.access.people import add_person, set_password
from aliquot.access.rights import Role
from aliquot.lab import open_lab
from lab_folder import LabFolder
from running_server import PASSWORD, RunningServer, running_server
from waiting import until

_LAB = """\
lab: archive
sources:
  shelf: {watch: ./shelf, adopt: true, settled: {quiet: 0s}, accept: [{type: all, into: plates}]}
"""
ROWS = b"id,name\n" + b"".join(b"%d,some name\n" % number for number in range(30_000))
OTHER = ROWS.replace(b"some", b"none")
LARGE = 64 * 2**20
DOWNLOAD = "/datasets/plates/1/download/"
API = "/api/v1/datasets/plates/versions/1/"
READ_FROM = {"accept": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("lab"))
    lab.write("aliquot.yaml", _LAB)
    lab.write("types/all.yaml", "type: all\nrecognise: {name: '*'}\n")
    lab.write("shelf/deep/rows.csv", ROWS)
    lab.write("shelf/never shown.csv", OTHER)
    lab.write("shelf/lost.csv", OTHER.replace(b"none", b"lost"))
    lab.write("shelf/small.txt", b"One line.\n")
    with (lab.folder / "shelf/large.bin").open("wb") as file:
        file.truncate(LARGE)
    lab.run("apply")
    lab.up()
    with open_lab(lab.folder) as opened, opened.catalogue.write() as connection:
        by = at_the_machine("tester", "here")
        add_person(connection, by, "vera", {"*": Role.VIEWER})
        set_password(connection, by, "vera", PASSWORD)
    with running_server(lab) as started:
        yield started


@pytest.fixture
def guest(server: RunningServer) -> Iterator[httpx.Client]:
    client = server.client("vera")
    yield client
    client.close()


def _page(client: httpx.Client, name: str) -> str:
    """Give a file's page when its preview is there."""

    def ready() -> bool:
        return "is being made" not in client.get(f"/datasets/plates/1/files/{name}").text

    until(ready)
    answer = client.get(f"/datasets/plates/1/files/{name}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_adopted_files_go_out_whole_in_part_in_a_zip_and_as_a_preview(guest: httpx.Client) -> None:
    whole = guest.get(DOWNLOAD + "deep/rows.csv")
    assert (whole.status_code, whole.content == ROWS) == (200, True)
    for asked, part in (
        ("bytes=0-99", ROWS[:100]), ("bytes=200000-200099", ROWS[200_000:200_100]), ("bytes=-7", ROWS[-7:]),
        (f"bytes={len(ROWS) - 3}-", ROWS[-3:]),
    ):  # fmt: skip
        answer = guest.get(DOWNLOAD + "deep/rows.csv", headers={"range": asked})
        assert (answer.status_code, answer.content) == (206, part)
    assert guest.get(DOWNLOAD + "deep/rows.csv", headers={"range": f"bytes={len(ROWS)}-"}).status_code == 416
    known = {"if-none-match": whole.headers["etag"]}
    assert guest.get(DOWNLOAD + "deep/rows.csv", headers=known).status_code == 304
    of = "?path=/deep/&path=/small.txt&path=/never shown.csv"
    with zipfile.ZipFile(io.BytesIO(guest.get("/datasets/plates/1/zip" + of).content)) as found:
        assert found.testzip() is None
        assert {each: found.read(each) for each in found.namelist()} == {
            "deep/rows.csv": ROWS, "never shown.csv": OTHER, "small.txt": b"One line.\n",
        }  # fmt: skip
    assert "30,000 rows" in _page(guest, "deep/rows.csv")
    assert "some name" in _page(guest, "deep/rows.csv")
    twin = guest.get(API + "preview/deep/rows.csv").json()
    assert (twin["file"]["path"], twin["preview"]["kind"]) == ("/deep/rows.csv", "table")


def test_a_source_that_vanished_is_told_before_anything_is_sent(guest: httpx.Client, server: RunningServer) -> None:
    shelf = server.lab.folder / "shelf"
    _page(guest, "deep/rows.csv")
    shutil.move(shelf, server.lab.folder / "unmounted")
    for address, headers in (
        (DOWNLOAD + "deep/rows.csv", {}), (DOWNLOAD + "deep/rows.csv", {"range": "bytes=5-9"}),
        ("/datasets/plates/1/zip", {}), ("/datasets/plates/1/zip?path=/small.txt&path=/deep/", {}),
    ):  # fmt: skip
        answer = guest.get(address, headers={**READ_FROM, **headers})
        assert (answer.status_code, answer.json()["code"]) == (503, "adopted-unavailable"), answer.text
        assert "Nothing is lost by that" in answer.json()["detail"]
        assert "is not there or empty; mount it" in guest.get(address, headers=headers).text
    # What the lab keeps itself goes out as ever, and what was seen before is still shown.
    assert guest.get(DOWNLOAD + "small.txt").content == b"One line.\n"
    assert "30,000 rows" in _page(guest, "deep/rows.csv")
    page = _page(guest, "never shown.csv")
    assert "Nothing is lost by that" in page
    assert "adopted-unavailable" in page
    assert guest.get(API + "preview/never shown.csv").json()["preview"]["summary"]["findings"][0]["code"] == (
        "adopted-unavailable"
    )
    shutil.move(server.lab.folder / "unmounted", shelf)
    assert guest.get(DOWNLOAD + "deep/rows.csv").content == ROWS
    assert "30,000 rows" in _page(guest, "never shown.csv")


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_file_that_changed_or_went_at_its_source_is_told(
    guest: httpx.Client, server: RunningServer, how: str
) -> None:
    place = server.lab.folder / "shelf/lost.csv"
    place.unlink(missing_ok=True)
    if how == "changed":
        place.write_bytes(ROWS)
    for address in (DOWNLOAD + "lost.csv", "/datasets/plates/1/zip?path=/deep/&path=/lost.csv"):
        answer = guest.get(address, headers=READ_FROM)
        assert (answer.status_code, answer.json()["code"]) == (500, f"adopted-{how}"), answer.text
        assert "lost to the lab" in answer.json()["detail"]
    page = _page(guest, "lost.csv")
    assert f"adopted-{how}" in page
    assert "lost to the lab" in page
    assert guest.get(DOWNLOAD + "deep/rows.csv").content == ROWS


def test_a_file_that_goes_while_it_is_sent_ends_the_answer_short(guest: httpx.Client, server: RunningServer) -> None:
    sent = 0
    with guest.stream("GET", DOWNLOAD + "large.bin") as answer:
        assert answer.headers["content-length"] == str(LARGE)
        pieces = answer.iter_raw()
        sent += len(next(pieces))
        (server.lab.folder / "shelf/large.bin").unlink()
        with pytest.raises(httpx.RemoteProtocolError):
            sent += sum(map(len, pieces))
    assert sent < LARGE
