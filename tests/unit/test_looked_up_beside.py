"""Pages that are given before what is dear has been looked up: they say so, and ask again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from aliquot.access.by import By, at_the_machine
from aliquot.lab import Lab, open_lab
from aliquot.lab.runs import RunLine
from aliquot.server.look.render import Renderer
from aliquot.server.reach import Reached
from aliquot.server.web.administration import Overview
from aliquot.server.web.run_verbs import ComparePage


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "aliquot.yaml").write_text("lab: riverside\n")
    with open_lab(tmp_path) as opened:
        yield opened


def _html(lab: Lab, template: str, page: Any, target: str = "") -> str:
    headers = [(b"hx-request", b"true"), (b"hx-target", target.encode())] if target else []
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b""})
    by: By = at_the_machine("tester", "here")
    return bytes(Renderer(lab).page(request, by, "", template, page).body).decode()


def test_what_takes_room_comes_later(lab: Lab) -> None:
    reached = Reached(ok=True, seconds=0.001)
    page = Overview(reached, reached, "sqlite", "process", 1, None, None, None, [])
    whole, part = _html(lab, "administration.html", page), _html(lab, "administration.html", page, "storage")
    assert "being added up" in whole
    assert part.strip().startswith('<div id="storage" hx-get="/administration"')
    assert "<html" not in part


def test_two_large_runs_come_later(lab: Lab) -> None:
    run = RunLine(
        run=2, pipeline="p", state="RUNNING", message="", cause="manual", publish=False, parked=0,
        causes={}, who="ada", created_at=1.0, started_at=1.0, ended_at=None,
    )  # fmt: skip
    page = ComparePage(run, [run], 1, None, equal=False, at=None)
    part = _html(lab, "compare.html", page, "compared")
    assert part.strip().startswith('<div id="compared" hx-get="/runs/2/compare?other=1"')
    assert "being compared" in part
    nothing = ComparePage(run, [], None, None, equal=False, at=None)
    assert "no other run" in _html(lab, "compare.html", nothing)
