"""The page of a file over the real server, and in a real browser: each kind of preview, what breaks, and who may."""

import base64
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from aliquot.access.by import at_the_machine
from aliquot.access.people import add_person, set_password
from aliquot.access.rights import Role
from aliquot.lab import open_lab
from browse import chromium, faults_for_readers, sideways, signed_in, watched
from imzml_pair import write_pair
from lab_folder import LabFolder
from running_server import PASSWORD, RunningServer, running_server

MARKUP = "<b>odd & 'named'?.csv"
SCRIPT = "<script>document.title='owned'</script>"
PIPELINE = """
pipeline: copies
inputs: {samples: {dataset: samples}}
steps:
  copy:
    inputs: {pair: {from: samples, glob: "/"}}
    command: cp "$PAIR"/*.imzML "$PAIR"/*.ibd "$PAIR"/*.csv "$OUT/"
outputs: {copies: {from: copy}}
"""
FILES = "/datasets/samples/1/files/"
VIEWS = "/datasets/samples/1/view/"


def small_png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    head = (8).to_bytes(4, "big") + (4).to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    rows = zlib.compress(b"".join(b"\0" + bytes(range(0, 256, 32)) for _ in range(4)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def small_run() -> str:
    def term(accession: str, value: object = "", unit: str = "") -> str:
        return f'<cvParam accession="{accession}" value="{value}" unitAccession="{unit}"/>'

    def scan(number: int) -> str:
        arrays = "".join(
            f"<binaryDataArray>{term(kind)}{term('MS:1000523')}<binary>"
            f"{base64.b64encode(np.array(values, '<f8').tobytes()).decode()}</binary></binaryDataArray>"
            for kind, values in (("MS:1000514", [100.5, 200.25]), ("MS:1000515", [5.0, 10.0 * number]))
        )
        return (
            f"<spectrum>{term('MS:1000511', 1)}<scanList><scan>{term('MS:1000016', number, 'UO:0000031')}</scan>"
            f"</scanList><binaryDataArrayList>{arrays}</binaryDataArrayList></spectrum>"
        )

    return f'<?xml version="1.0"?><mzML><run><spectrumList>{"".join(map(scan, range(9)))}</spectrumList></run></mzML>'


def write_files(folder: Path) -> None:
    mz = np.linspace(400, 500, 3000)
    spectra = [(mz, (np.exp(-(((mz - 450) / 0.2) ** 2)) * number + 0.01).astype(np.float32)) for number in range(6 * 5)]
    write_pair(folder, "continuous", spectra, [(x, y) for y in range(1, 6) for x in range(1, 7)])
    rows = "".join(f"{number},{'abc'[number % 3]},{number / 7:.2f}\n" for number in range(1000))
    texts = {
        MARKUP: f"id,{SCRIPT},<i>value\n{rows}1000,{SCRIPT},7\n",
        "reads.fastq": "@r\nACGTA\n+\nIIII5\n" * 50,
        "notes.txt": f"One line.\n{SCRIPT}\n",
        "page.html": f"<html>{SCRIPT}</html>",
        "report.json": json.dumps({SCRIPT: [1, None, {"deep": True}]}),
        "run.mzML": small_run(),
        "alone.imzML": '<?xml version="1.0"?><mzML/>',
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "gel.png").write_bytes(small_png())
    (folder / "broken.png").write_bytes(small_png()[:40])
    (folder / "paper.pdf").write_bytes(b"%PDF-1.7\n\0\1\2")
    (folder / "empty.csv").write_bytes(b"")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("lab"))
    lab.write("aliquot.yaml", "lab: riverside\nexecutor: {kind: process, workers: 1}\n")
    lab.write("types/all.yaml", "type: all\nrecognise: {name: '*'}\n")
    lab.write("pipelines/copies.yaml", PIPELINE)
    (lab.folder / "files").mkdir()
    write_files(lab.folder / "files")
    lab.run("apply")
    lab.run("ingest", "samples", "files")
    lab.run("run", "start", "copies", "--wait")
    with running_server(lab) as started:
        yield started


@pytest.fixture(scope="module")
def guest(server: RunningServer) -> Iterator[httpx.Client]:
    """Give the client of somebody who may look, and no more."""
    by = at_the_machine("tester", "here")
    with open_lab(server.lab.folder) as lab, lab.catalogue.write() as connection:
        add_person(connection, by, "vera", {"*": Role.VIEWER})
        set_password(connection, by, "vera", PASSWORD)
        add_person(connection, by, "olga", {"other": Role.SCIENTIST})
        set_password(connection, by, "olga", PASSWORD)
    client = server.client("vera")
    yield client
    client.close()


def shown(client: httpx.Client, name: str, query: str = "") -> str:
    """Give a page as soon as its preview has been made."""
    address = FILES + quote(name) + query
    deadline = time.monotonic() + 60
    while True:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) < 300_000
        assert SCRIPT not in answer.text
        if "is being made" not in answer.text and "being summed up" not in answer.text:
            return answer.text
        assert 'hx-trigger="every' in answer.text
        assert time.monotonic() < deadline, answer.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (MARKUP, "1,001 rows"), ("continuous.imzML", "Mean spectrum"), ("reads.fastq", "Quality by position"),
        ("notes.txt", "One line."), ("page.html", "&lt;html&gt;"), ("report.json", "object of 1"),
        ("run.mzML", "Total ion chromatogram"), ("gel.png", "PNG, 8 "), ("broken.png", "picture-damaged"),
        ("paper.pdf", "This is a PDF document"), ("empty.csv", "The file is empty"), ("alone.imzML", "ibd-missing"),
        ("continuous.ibd", "No preview is made"),
    ],
)  # fmt: skip
def test_each_kind_of_file_is_shown(guest: httpx.Client, name: str, words: str) -> None:
    page = shown(guest, name)
    assert words in page
    assert "accepted" in page
    twin = guest.get("/datasets/samples/1/file.json", params={"path": name}).json()
    assert twin["file"]["path"] == f"/{name}"
    assert twin["preview"]["summary"]
    assert guest.get(f"/api/v1/datasets/samples/versions/1/preview/{quote(name)}").json() == twin


def test_a_page_that_waits_gets_its_preview_alone(guest: httpx.Client) -> None:
    shown(guest, "notes.txt")
    part = guest.get(FILES + "notes.txt", headers={"hx-request": "true", "hx-target": "preview"}).text
    assert part.lstrip().startswith('<section id="preview">')
    assert "One line." in part
    assert "<h1" not in part


def test_rows_are_sorted_filtered_and_turned_over(guest: httpx.Client) -> None:
    page = shown(guest, MARKUP, "?sort=-1&column=2&how=is&value=a&column=&how=contains&value=")
    assert "334 of 1,001 rows" in page
    assert page.index(">999<") < page.index(">996<")
    assert "offset=50" in page
    last = shown(guest, MARKUP, "?offset=1000")
    assert "shown from 1,001 to 1,001" in last
    assert "&lt;script&gt;" in last
    assert "is no number" in shown(guest, MARKUP, "?column=1&how=below&value=x")
    assert "has no column 9" in shown(guest, MARKUP, "?sort=9")
    assert guest.get(FILES + quote(MARKUP) + "?sort=one").status_code == 422


def test_an_ion_image_has_its_pixels_and_their_spectra(guest: httpx.Client) -> None:
    page = shown(guest, "continuous.imzML", "?mz=450&tolerance=1&unit=da&pixel.x=170&pixel.y=90&zoom=80")
    assert "Ion image of m/z 450" in page
    assert "Spectrum of pixel x 3, y 2" in page
    png = guest.get(VIEWS + "ion.png/continuous.imzML?mz=450&tolerance=1&unit=da")
    assert png.headers["content-type"] == "image/png"
    assert png.content[16:24] == (6).to_bytes(4, "big") + (5).to_bytes(4, "big")
    again = guest.get(VIEWS + "ion.png/continuous.imzML?mz=450&tolerance=1&unit=da",
                      headers={"if-none-match": png.headers["etag"]})  # fmt: skip
    assert again.status_code == 304
    near = guest.get(VIEWS + "spectrum.json/continuous.imzML?low=449&high=451&points=100").json()
    assert 449 - 0.1 < near["x"][0] < 451
    pixel = guest.get(VIEWS + "pixel.json/continuous.imzML?x=6&y=5").json()
    assert max(pixel["y"]) == pytest.approx(29, rel=0.05)
    for query, status in (("?x=99&y=1", 404), ("?x=a&y=1", 422)):
        assert guest.get(VIEWS + "pixel.json/continuous.imzML" + query).status_code == status
    assert "above 0" in shown(guest, "continuous.imzML", "?mz=-3")
    assert guest.get(VIEWS + "ion.json/continuous.imzML").status_code == 422
    assert guest.get(VIEWS + "ion.png/notes.txt?mz=3").status_code in {404, 422}


def test_what_a_task_gave_is_shown_as_well(guest: httpx.Client) -> None:
    task = "/runs/1/tasks/copy/1"
    assert f'href="{task}/shown/continuous.imzML"' in guest.get("/runs/1/outputs").text
    page = guest.get(f"{task}/shown/continuous.imzML?mz=450&tolerance=1&unit=da")
    assert page.status_code == 200
    assert f'src="{task}/view/ion.png/continuous.imzML?' in page.text
    png = guest.get(f"{task}/view/ion.png/continuous.imzML?mz=450&tolerance=1&unit=da")
    # The same content has been looked at before: nothing is made again.
    assert png.content == guest.get(VIEWS + "ion.png/continuous.imzML?mz=450&tolerance=1&unit=da").content
    assert guest.get(f"{task}/shown/{quote(MARKUP)}").status_code == 200
    assert guest.get(f"{task}/shown.json?path=continuous.ibd").json()["file"]["path"] == "/continuous.ibd"
    assert guest.get(f"{task}/shown/none.txt").status_code == 404
    assert guest.get("/runs/7/tasks/copy/1/shown/continuous.imzML").status_code == 404


def test_a_run_is_asked_for_scans(guest: httpx.Client) -> None:
    assert "Scan 3 " in shown(guest, "run.mzML", "?time=3.2&of=base")
    scan = guest.get(VIEWS + "scan.json/run.mzML?scan=2").json()
    assert (scan["x"], scan["y"]) == ([100.5, 200.25], [5.0, 20.0])
    assert guest.get(VIEWS + "chromatogram.json/run.mzML?low=60&high=120&level=1").json()["y"] == [
        5.0,
        15.0,
        25.0,
        35.0,
    ]
    assert "no scan 99" in shown(guest, "run.mzML", "?scan=99")


def test_what_was_uploaded_never_comes_back_as_a_page(guest: httpx.Client) -> None:
    for answer in (
        guest.get(FILES + "page.html"),
        guest.get(VIEWS + "picture.png/gel.png"),
        guest.get(VIEWS + "picture.png/page.html"),
    ):
        assert SCRIPT not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "'unsafe-inline'" not in answer.headers["content-security-policy"]


def test_what_is_not_there_is_told(guest: httpx.Client) -> None:
    for path in ("none.txt", "../../../etc/passwd", ""):
        assert guest.get(FILES + path).status_code == 404, path
    assert guest.get(FILES + "%00").status_code == 422
    assert guest.get("/datasets/samples/77/files/notes.txt").status_code == 404
    assert guest.get("/datasets/nothing/1/files/notes.txt").status_code == 404
    assert guest.get("/datasets/samples/Not a name/files/notes.txt").status_code in {404, 422}


def test_only_those_see_it_who_may(server: RunningServer, guest: httpx.Client) -> None:
    del guest
    addresses = (
        FILES + "notes.txt",
        "/datasets/samples/1/file.json?path=notes.txt",
        VIEWS + "ion.png/continuous.imzML?mz=450",
        VIEWS + "picture.png/gel.png",
        "/api/v1/datasets/samples/versions/1/preview/notes.txt",
        "/runs/1/tasks/copy/1/shown/continuous.imzML",
        "/runs/1/tasks/copy/1/view/ion.png/continuous.imzML?mz=450",
    )
    for address in addresses:
        assert server.client("olga").get(address).status_code == 404, address
        assert server.client().get(address).status_code in {303, 401}, address


@pytest.fixture(scope="module")
def browser_pages() -> list[str]:
    return [quote(name) for name in (MARKUP, "reads.fastq", "report.json", "gel.png", "notes.txt", "run.mzML")]


def test_previews_in_a_browser(server: RunningServer, browser_pages: list[str], guest: httpx.Client) -> None:
    for name in ("continuous.imzML", MARKUP, "reads.fastq", "run.mzML"):
        shown(guest, name)
    with chromium() as browser:
        context = signed_in(browser, server, viewport={"width": 1280, "height": 900})
        page, seen = watched(context, server.address)
        page.goto(server.address + FILES + "continuous.imzML?mz=450&tolerance=1&unit=da")
        page.wait_for_selector("#plot-mean .uplot")
        page.locator("input.pixels").click(position={"x": 5, "y": 5})
        page.wait_for_selector("#plot-pixel .uplot")
        assert "x 1, y 1" in page.inner_text("#pixel-place")
        assert "x=1&y=1" in page.url
        # Zooming asks for what the screen shows, and no more.
        plot = page.locator("#plot-mean .u-over")
        box = plot.bounding_box()
        assert box
        with page.expect_request(lambda request: "spectrum.json" in request.url and "low=" in request.url):
            page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 50)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=4)
            page.mouse.up()
        assert seen.errors == []
        assert seen.elsewhere == []
        assert faults_for_readers(page) == []
        for name in browser_pages:
            page.goto(server.address + FILES + name)
            assert faults_for_readers(page) == [], name
            page.set_viewport_size({"width": 360, "height": 740})
            assert sideways(page) == 0, name
            page.set_viewport_size({"width": 1280, "height": 900})
        assert seen.errors == []
        assert "owned" not in page.title()
