"""The catalogue's database away for a while: pages say so, in words and as JSON, and go on by themselves."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from browse import chromium, signed_in, watched
from lab_folder import LabFolder
from postgresql import USER
from running_server import running_server
from tcp_proxy import Proxy
from waiting import until

PATIENCE = 120_000


@pytest.fixture
def proxy(postgresql_database: str) -> Iterator[Proxy]:
    made = Proxy(Path(unquote(postgresql_database.partition("?host=")[2])) / ".s.PGSQL.5432")
    yield made
    made.close()


def test_pages_say_that_the_database_is_away_and_go_on_when_it_is_back(
    tmp_path: Path, postgresql_database: str, proxy: Proxy
) -> None:
    name = postgresql_database.partition("/?")[0].partition("@/")[2].partition("?")[0]
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", f"lab: riverside\ncatalogue: postgresql://{USER}@127.0.0.1:{proxy.port}/{name}\n")
    lab.run("apply")
    with running_server(lab) as server, chromium() as browser:
        context = signed_in(browser, server)
        page, _ = watched(context, server.address)
        page.goto("/")
        expect(page.locator("[data-live-sign]").first).to_have_text("live", timeout=PATIENCE)
        proxy.cut()
        # The open page is told, without asking.
        expect(page.locator("#notice")).to_contain_text("out of reach", timeout=PATIENCE)
        cookies = {each["name"]: each["value"] for each in context.cookies()}
        with server.client() as client:
            client.cookies.update(cookies)
            shown = client.get("/runs")
            assert shown.status_code == 503
            assert "<h1>Out of reach</h1>" in shown.text
            assert int(shown.headers["retry-after"]) > 0
            problem = client.get("/runs.json")
            assert problem.status_code == 503
            assert problem.headers["content-type"] == "application/problem+json"
            assert problem.json()["title"] == "unavailable"
            assert client.get("/health/live").status_code == 200
            assert client.get("/health/ready").json() == {"ready": False, "database": False, "store": True}
            proxy.open()
            until(lambda: client.get("/health/ready").status_code == 200)
            assert client.get("/runs").status_code == 200
        expect(page.locator("#notice")).to_be_hidden(timeout=PATIENCE)
        lab.write("a.txt", "sample 1")
        lab.run("ingest", "notes", "a.txt")
        expect(page.locator("#figures")).to_contain_text("1 file taken in today", timeout=PATIENCE)
