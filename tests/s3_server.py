"""An S3 server on loopback with a gate before it; a program of its own, run by an environment that has moto.

It prints its port. `PUT /-/shut` makes it answer 503 to everything, `PUT /-/open` ends that, and `GET /-/refused` says
how often it did.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

_SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the base's name
        pass


class _Gate:
    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._shut = False
        self._refused = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/-/"):
            self._shut = {"/-/shut": True, "/-/open": False}.get(path, self._shut)
            return self._plain(start, "200 OK", str(self._refused).encode())
        if self._shut:
            self._refused += 1
            return self._plain(start, "503 Slow Down", _SLOW_DOWN)
        return self._app(environ, start)

    def _plain(self, start: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, _Gate(), threaded=True, request_handler=_Quiet)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
