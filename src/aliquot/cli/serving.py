"""The server as `up` and `serve` start it. FastAPI is imported here, and by no other command."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from cyclopts import Parameter

from aliquot.cli.keeping import as_lines
from aliquot.cli.output import say
from aliquot.lab import Lab
from aliquot.model.collector import settle

if TYPE_CHECKING:
    from aliquot.server.serve import Server

log: Any = structlog.get_logger()

_TURN = 0.001
"""Seconds after which a thread that computes lets another one go on; Python's own are five times as many."""

LISTEN = ""
"""The default: 127.0.0.1:8642, or another port where that one is taken."""
Listen = Annotated[str, Parameter(env_var="ALIQUOT_LISTEN", metavar="HOST:PORT")]
Url = Annotated[str, Parameter(env_var="ALIQUOT_URL", metavar="URL")]
Proxies = Annotated[str, Parameter(env_var="ALIQUOT_TRUST_PROXY", metavar="ADDRESSES")]


def is_installed() -> bool:
    """Say whether the extra is there."""
    return all(
        find_spec(each)
        for each in ("fastapi", "uvicorn", "jinja2", "argon2", "prometheus_client", "multipart", "httpx2")
    )


@contextmanager
def serving(lab: Lab, listen: str, url: str, *, pages: bool = True, proxies: str = "") -> "Generator[Server]":
    """Serve a lab for as long as the context is open, and say where."""
    from aliquot.server.serve import Server
    from aliquot.server.settings import read_settings

    settings = read_settings(listen, url, pages=pages, proxies=proxies)
    with Server(lab, settings) as server:
        if as_lines():
            log.info("the server listens", address=server.address)
        else:
            if settings.any_port and server.port != settings.port:
                say(f"Port {settings.port} is taken, perhaps by another lab that is up.")
            say(f"{'Pages and API are' if pages else 'The API is'} at {server.address}.")
        if server.first_link:
            # Not in the log, where it would stay: whoever has it becomes the administrator.
            say(f"Nobody has signed in yet. The first administrator sets a password here, once: {server.first_link}")
        # Routes and models are there by now, and stay: no full search for garbage stops all answers to look at them.
        settle()
        with _turns():
            yield server


@contextmanager
def _turns() -> "Generator[None]":
    """Let threads take turns sooner: a small answer waits for a large one at each statement that it makes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
