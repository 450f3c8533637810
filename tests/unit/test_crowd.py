"""Many at once: connections that run out, and what a server's socket and templates are made for."""

import socket
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from aliquot.db import Catalogue
from aliquot.model.errors import Unavailable
from aliquot.server.look.render import templates_of
from aliquot.server.serve import listen_at
from aliquot.server.settings import read_settings


def test_who_gets_no_connection_is_told_to_wait(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'one.db'}", pool_size=1, max_overflow=0, pool_timeout=0.01)
    catalogue = Catalogue(engine)
    with catalogue.read(), pytest.raises(Unavailable, match="wait a moment") as refused, catalogue.read():
        pass
    assert refused.value.code == "catalogue-crowded"
    with catalogue.read():
        pass
    catalogue.close()


def test_answers_do_not_wait_for_word_that_their_beginning_has_come() -> None:
    with listen_at(read_settings("127.0.0.1:0")) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_templates_stay_those_that_the_program_began_with(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ old }}")
    (tmp_path / "other.html").write_text("{{ old }}")
    templates = templates_of(tmp_path)
    assert templates.get_template("page.html").render(old="<1>") == "&lt;1&gt;"
    for name in ("page.html", "other.html"):
        (tmp_path / name).write_text("{{ new }}")
        assert templates.get_template(name).render(old="<1>") == "&lt;1&gt;"
