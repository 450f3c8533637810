"""Live pages in a real browser: a new one fetches what has moved since it was made, and nothing that has not."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route

from browse import chromium, signed_in, watched
from lab_folder import LabFolder
from running_server import PASSWORD, RunningServer, running_server

_STREAM = "**/events/stream*"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path / "lab")
    lab.write("aliquot.yaml", "lab: small\n")
    with running_server(lab) as started:
        yield started


def _bring(server: RunningServer, name: str) -> None:
    """Take a file in, and come back when the server has seen it."""
    client = server.client("admin", PASSWORD)
    with client.stream("GET", "/events/stream?topics=arrivals") as stream:
        lines = stream.iter_lines()
        next(lines)
        (server.lab.folder / name).write_text(name)
        server.lab.run("ingest", "notes", name)
        assert next(each for each in lines if each == "event: arrivals")
    client.close()


def test_a_new_page_fetches_what_has_moved_since_it_was_made_and_nothing_else(server: RunningServer) -> None:
    with chromium() as browser:
        context = signed_in(browser, server)
        page, seen = watched(context, server.address)
        fetched: list[str] = []
        page.on("request", lambda each: fetched.append(each.headers.get("hx-target", "")))
        page.goto("/")
        _bring(server, "one.txt")
        page.wait_for_selector("#arrivals >> text=one.txt")
        assert "active" not in fetched
        assert fetched.count("arrivals") == 1

        def hold(route: Route) -> None:
            _bring(server, "two.txt")
            route.continue_()

        page.route(_STREAM, hold)
        page.goto("/")
        page.wait_for_selector("#arrivals >> text=two.txt")
        assert "active" not in fetched
        assert seen.errors == []


def test_the_stream_says_what_moved_lately(server: RunningServer) -> None:
    client = server.administrator()
    assert _lately(client, "arrivals,runs") == set()
    _bring(server, "one.txt")
    assert _lately(client, "arrivals,runs") == {"arrivals"}
    assert _lately(client, "runs") == set()
    client.close()


def _lately(client: httpx.Client, topics: str) -> set[str]:
    with client.stream("GET", f"/events/stream?topics={topics}") as stream:
        said = next(each for each in stream.iter_lines() if each.startswith("data: "))
    return set(json.loads(said.removeprefix("data: ")))
