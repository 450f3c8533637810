"""A technician, a scientist and an administrator in a real browser, each from first page to last, on real data."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from aliquot.access.by import at_the_machine
from aliquot.access.people import add_person, set_password
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.lab import open_lab
from browse import DESKTOP, chromium, watched
from lab_folder import LabFolder
from running_server import PASSWORD, RunningServer, running_server

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE = 40_000
"""Milliseconds for what other processes do on a machine with much else to do."""
SETTINGS = """
lab: riverside
executor: {kind: process, workers: 2}
sources:
  instrument:
    watch: ./inbox
    settled: {quiet: 1s, set: ["{name}.imzML", "{name}.ibd"]}
    accept: [{type: imzml, into: measurements}]
"""
CLAIMS = """
lab: riverside
executor: {kind: process, workers: 1}
sources:
  billing:
    watch: ./inbox
    settled: {quiet: 1s}
    accept: [{type: charges, into: billing}]
"""
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"


@contextmanager
def as_person(browser: Browser, server: RunningServer, name: str) -> Iterator[Page]:
    """Sign in through the page; at the end, no script may have complained and no other host been asked."""
    context = browser.new_context(
        base_url=server.address, viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, accept_downloads=True
    )
    page, seen = watched(context, server.address)
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto("/")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("button.main")
    page.wait_for_url(f"{server.address}/")
    try:
        yield page
    except Exception as error:
        error.add_note(f"at {page.url}:\n{page.inner_text('body')[:2000]}\n{server.log()[-2000:]}")
        raise
    context.close()
    assert seen.errors == []
    assert seen.elsewhere == []


def people(lab: LabFolder, *persons: tuple[str, Role]) -> None:
    by = at_the_machine("tester", "here")
    with open_lab(lab.folder) as opened:
        for name, role in persons:
            opened.catalogue.repeat(lambda c, name=name, role=role: add_person(c, by, name, {EVERYWHERE: role}))
            opened.catalogue.repeat(lambda c, name=name: set_password(c, by, name, PASSWORD))


def complete(page: Page, run: int) -> None:
    """Wait on the page of a run, which goes on by itself, until the run is complete."""
    page.wait_for_url(f"**/runs/{run}")
    expect(page.locator(".head .state")).to_have_text("complete")


def technician(page: Page, pair: list[Path]) -> None:
    page.click("nav[aria-label=Main] >> text=Datasets")
    page.click("a[href^='/uploads']")
    page.fill("#into", "measurements")
    page.click("button.main")
    page.fill("input[name='describe:imzml:sample']", "liver 7")
    page.fill("input[name='describe:imzml:matrix']", "DHB")
    page.set_input_files("#files", pair)
    page.click("button.main")
    expect(page.locator(".outcome.good")).to_contain_text("version 1")
    # The pipeline's own run of what arrived has the number 1.
    page.click("nav[aria-label=Main] >> text=Runs")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.go_back()
    page.click(".outcome a")
    page.click(f"text={pair[0].name}")
    expect(page.locator("dl.facts").first).to_contain_text("liver 7")
    page.fill("input[name=mz]", "328.9")
    page.fill("input[name=tolerance]", "0.25")
    page.select_option("select[name=unit]", "da")
    with page.expect_response(lambda answer: "ion.png" in answer.url and "mz=328.9" in answer.url) as drawn:
        page.click("form.filter button")
    assert drawn.value.status == 200
    expect(page.locator("#ion-title")).to_have_text("Ion image of m/z 328.9")
    page.click("nav[aria-label=Main] >> text=Pipelines")
    page.click("h2 a:has-text('Peak list and ion images')")
    page.click(".actions a:has-text('Start')")
    page.fill("[name='p.noise_factor']", "8")
    page.click("button:text-is('Show what would run')")
    expect(page.locator("#plan .sentence")).to_contain_text("run")
    page.click("#start")
    complete(page, 2)
    page.click("nav.tabs >> text=Outputs")
    page.click("a.ref:text-is('quality')")
    page.click("td.path a")
    expect(page.locator("table.data thead")).to_contain_text("tic_pixel_median")
    expect(page.locator("table.data tbody tr")).to_have_count(1)


def scientist(page: Page) -> None:
    page.click("nav[aria-label=Main] >> text=Runs")
    page.fill("input[name=who]", "tina")
    page.press("input[name=who]", "Enter")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.click("#list a.ref")
    page.click("nav.tabs >> text=Compare")
    page.select_option("select[name=other]", "1")
    page.click("form.filter button")
    changed = page.locator("tr", has_text="noise_factor")
    expect(changed.first).to_contain_text("8")
    page.click("nav.tabs >> text=Overview")
    page.click("#again")
    assert page.input_value("[name='p.noise_factor']") == "8"
    page.fill("[name='p.top_ions']", "2")
    page.check("input[name=publish]")
    page.click("button:text-is('Show what would run')")
    page.click("#start")
    complete(page, 3)
    steps = {
        row.locator("td").first.inner_text(): row.locator("td").all_inner_texts()
        for row in page.locator("table:has(caption:text('Steps of the run')) tbody tr").all()
    }
    # Ran and skipped: only the pictures depend on how many ions are drawn.
    assert (steps["pick"][3].split()[:1], steps["pick"][4].split()[:1]) == ([], ["1"])
    assert (steps["images"][3].split()[:1], steps["images"][4].split()[:1]) == (["1"], [])


def lineage(page: Page) -> None:
    page.goto("/datasets/measurements/1/lineage/Example_Continuous.imzML")
    page.locator(".lineage .focus").wait_for()
    page.focus(".lineage")
    before = page.locator(".lineage svg").get_attribute("width")
    page.keyboard.press("+")
    assert page.locator(".lineage svg").get_attribute("width") != before
    piles = page.locator("a.node[data-fold]")
    folded = page.locator(".lineage .node").count()
    toggle = page.locator("a.toggle").first
    toggle.click()
    expect(page.locator("a.toggle text", has_text="+")).to_have_count(1)
    assert "shut=" in page.url
    assert page.locator(".lineage .node").count() < folded
    page.go_back()
    expect(page.locator(".lineage .node")).to_have_count(folded)
    if piles.count():
        piles.first.click()
        expect(page.locator(".unfolded")).to_be_visible()


def asks(page: Page) -> None:
    page.click("nav[aria-label=Main] >> text=Hub")
    page.fill("#sql", "SELECT measurement, pixels, tic > 0 AS there FROM quality")
    page.click("#run")
    expect(page.locator("#answer tbody tr")).to_have_count(1)
    with page.expect_download() as taken:
        page.click("text=All rows as Parquet")
    assert Path(taken.value.path()).read_bytes()[:4] == b"PAR1"
    page.fill("#sql", ENDLESS)
    page.click("#run")
    page.click("#cancel-query")
    expect(page.locator("#answer .problem")).to_have_text("The query was canceled.")
    expect(page.locator("#cancel-query")).to_be_hidden()


def test_a_technician_measures_and_a_scientist_compares(tmp_path: Path, shared_data: Path) -> None:
    shutil.copytree(EXAMPLES / "imaging-ms", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", SETTINGS)
    lab.run("apply")
    people(lab, ("tina", Role.TECHNICIAN), ("sam", Role.SCIENTIST))
    pair = [shared_data / "imaging-ms" / f"Example_Continuous.{each}" for each in ("imzML", "ibd")]
    with running_server(lab, "up") as server, chromium() as browser:
        with as_person(browser, server, "tina") as page:
            technician(page, pair)
        with as_person(browser, server, "sam") as page:
            scientist(page)
            lineage(page)
            asks(page)


def test_an_administrator_releases_a_file_and_finds_it_in_the_audit(tmp_path: Path, shared_data: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", CLAIMS)
    lab.write("types/charges.yaml", (EXAMPLES / "claims/types/charges.yaml").read_text().replace("on_invalid", "#"))
    lab.run("apply")
    people(lab, ("ada", Role.ADMINISTRATOR))
    good = (shared_data / "claims/good/HSP1_charge_202301.csv").read_text()
    with running_server(lab, "up") as server, chromium() as browser, as_person(browser, server, "ada") as page:
        expect(page.locator(".empty").first).to_contain_text("Nothing has arrived yet")
        lab.write("inbox/HSP1_charge_202301.csv", good.replace(",0.02,0.02,", ",0.02,minus two,"))
        # The front page hears of it by itself.
        page.click("a.path:has-text('HSP1_charge_202301.csv')")
        expect(page.locator("mark")).to_have_text("minus two")
        page.fill("#release-because", "the amount is on paper")
        page.click("button:text-is('Release')")
        expect(page.locator(".head .state")).to_have_text("released")
        page.click("nav[aria-label=Main] >> text=Administration")
        page.click("nav.places >> text=Audit")
        page.fill("input[name=text]", "the amount is on paper")
        page.click("form.filter button")
        row = page.locator("main tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("quarantine.release")
        expect(row).to_contain_text("ada")
        page.click("text=Verify")
        expect(page.locator("main")).to_contain_text("row")


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    yield
    expect.set_options(timeout=5_000)
