"""Whether who began a long request may still hear its answer: signed in, and with a role in its projects."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.requests import Request

from aliquot.access import people, tokens
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.lab import Lab, open_lab
from aliquot.server.people import still_may, visit_for
from aliquot.server.settings import read_settings
from aliquot.server.visit import Visit
from lab_folder import LabFolder


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    folder = LabFolder(tmp_path / "lab")
    folder.write("aliquot.yaml", "lab: small\nprojects: [blue, green]\n")
    with open_lab(folder.folder) as opened:
        yield opened


def visit(lab: Lab, word: str) -> Visit:
    site = SimpleNamespace(lab=lab, settings=read_settings("127.0.0.1:0"))
    headers = [(b"authorization", f"Bearer {word}".encode())]
    app = SimpleNamespace(state=SimpleNamespace(site=site))
    scope = {"type": "http", "method": "GET", "path": "/events/runs/1", "headers": headers, "query_string": b"",
             "app": app, "aliquot.request": "1", "client": ("127.0.0.1", 1), "state": {}}  # fmt: skip
    return visit_for(Request(scope))


def test_who_has_no_role_in_the_project_any_more_hears_no_more(lab: Lab) -> None:
    with lab.catalogue.write() as connection:
        people.add_person(connection, lab.by, "sam", {"blue": Role.SCIENTIST, "green": Role.VIEWER})
        word, made = tokens.make_token(connection, lab.by, "sam", "laptop", ["run.read"])
    began = visit(lab, word)
    assert still_may(began, "run.read", {"blue", "green"})
    assert not still_may(began, "run.read", {EVERYWHERE})
    with lab.catalogue.write() as connection:
        people.set_role(connection, lab.by, "sam", "blue", None)
    assert not still_may(began, "run.read", {"blue"})
    assert still_may(began, "run.read", {"green"})
    assert still_may(began, "run.read", ())
    with lab.catalogue.write() as connection:
        tokens.end_token(connection, lab.by, made.id)
    assert not still_may(began, "run.read", ())
