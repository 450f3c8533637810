"""Starting and ending the server, in a thread of its own, so that a daemon can work beside it."""

import socket
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import structlog
import uvicorn

from aliquot.access.by import at_the_machine
from aliquot.access.links import first_administrator
from aliquot.access.people import has_people
from aliquot.lab import Lab
from aliquot.lab.hub_reader import require_own_reader
from aliquot.model.errors import Invalid, Unavailable
from aliquot.server.app import make_app
from aliquot.server.settings import Settings
from aliquot.server.working import end_works

log: Any = structlog.get_logger()

_STARTS = 30.0
_ENDS = 10
"""Seconds that requests have to end when the server is stopped."""


class Server:
    """Serves a lab; a context that has the port from its beginning to its end."""

    def __init__(self, lab: Lab, settings: Settings) -> None:
        self._lab = lab
        self._settings = settings
        self.ended = threading.Event()
        self.first_link = ""
        """The address with which the first administrator sets a password; empty when there is one already."""

    @property
    def address(self) -> str:
        """Give the address to type into a browser."""
        return self._settings.url or f"http://{_shown(self._settings.host)}:{self.port}"

    def __enter__(self) -> Self:
        require_own_reader(self._lab)
        word = self._people()
        self._socket = listen_at(self._settings)
        self.port: int = self._socket.getsockname()[1]
        self.first_link = f"{self.address}/welcome/{word}" if word else ""
        app = make_app(self._lab, self._settings)
        self._broadcast = app.site.broadcast
        proxies = self._settings.proxies
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, proxy_headers=bool(proxies),
            forwarded_allow_ips=",".join(proxies), timeout_graceful_shutdown=_ENDS, lifespan="on", ws="none",
        )  # fmt: skip
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _STARTS
        while not self._uvicorn.started:
            if self.ended.wait(0.01) or time.monotonic() > deadline:
                raise Unavailable("server-not-started", "The server did not start; its log says why.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(_ENDS + 5)
        end_works(_ENDS)
        self._socket.close()

    def stop(self) -> None:
        """Take no more requests, let those under way end, and end the streams of open pages."""
        self._uvicorn.should_exit = True
        self._broadcast.end_streams()

    def wait(self) -> None:
        """Wait until the server has been stopped."""
        while not self.ended.wait(3600):
            pass

    def _run(self) -> None:
        try:
            self._uvicorn.run(sockets=[self._socket])
        finally:
            self.ended.set()

    def _people(self) -> str | None:
        """Give the word of the first administrator's link, and refuse to be reached from elsewhere without people."""
        by = at_the_machine(self._lab.who, socket.gethostname())
        login = self._lab.config.login
        with self._lab.catalogue.read() as connection:
            anybody = has_people(connection) or login.oidc is not None
        if login.oidc is not None and not self._settings.loopback and not self._settings.url:
            words = "People who sign in by the provider come back to an address: say which with --url https://HOST."
            raise Invalid("url-needed", words, host=self._settings.host)
        if not self._settings.loopback and not anybody:
            raise Invalid(
                "listen-refused",
                "Nobody has an account yet, so this lab can be served to this machine alone; start it without "
                "--listen, sign in with the link that it prints, then start it again.",
                host=self._settings.host,
            )
        if not login.passwords:
            return None
        return self._lab.catalogue.repeat(lambda connection: first_administrator(connection, by))


def listen_at(settings: Settings) -> socket.socket:
    """Give a socket that has the port, or another one where that may be; `Unavailable` where the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Answers are written in two parts: the second one would wait 40 ms for word that the first has come.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        made.bind((settings.host, settings.port))
        made.listen(2048)
    except OSError as error:
        made.close()
        if settings.any_port:
            return listen_at(replace(settings, port=0, any_port=False))
        where = f"{settings.host}:{settings.port}"
        words = f"The address {where} cannot be listened at ({error.strerror}); give another with --listen HOST:PORT."
        raise Unavailable("port-taken", words, listen=where) from error
    return made


def _shown(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104  # compared, not listened at
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
