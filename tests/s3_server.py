"""An S3 server on loopback with a gate before it; a program of its own, run by an environment that has moto.

It prints its port. `PUT /-/shut` makes it answer 503 to everything, `/-/expired` as to credentials that have expired,
`/-/list` as to those that may not list, and `/-/read` as to those that may not read keys with "secret" in them;
`PUT /-/open` ends that, and `GET /-/refused` says how often it refused something. `POST /-/seed/BUCKET` makes an object
of each line, whose content is its key: a hundred thousand, one request for each, would take minutes.

A listing costs it the same for every page, however short that is, since it sorts all keys anew; with the environment's
`MOTO_S3_DEFAULT_MAX_KEYS` pages are longer than those of the real one.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"
_ANSWERS = {
    "shut": ("503 Slow Down", "SlowDown", "Reduce your request rate."),
    "expired": ("400 Bad Request", "ExpiredToken", "The provided token has expired."),
    "list": ("403 Forbidden", "AccessDenied", "Access Denied"),
    "read": ("403 Forbidden", "AccessDenied", "Access Denied"),
}


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the base's name
        pass


class _Gate:
    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._mode = "open"
        self._refused = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/-/"):
            if environ["REQUEST_METHOD"] == "POST":
                keys = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode().split("\n")
                self._seed(path.removeprefix("/-/seed/"), keys)
            elif environ["REQUEST_METHOD"] == "PUT":
                self._mode = path.removeprefix("/-/")
            return self._plain(start, "200 OK", str(self._refused).encode())
        if self._refuses(environ):
            self._refused += 1
            status, code, text = _ANSWERS[self._mode]
            return self._plain(start, status, _ERROR.format(code, text).encode())
        if copied := environ.get("HTTP_X_GOOG_COPY_SOURCE"):
            # So does Cloud Storage call what is the same otherwise.
            environ["HTTP_X_AMZ_COPY_SOURCE"] = copied
        return self._app(environ, start)

    def _refuses(self, environ: dict[str, Any]) -> bool:
        reads = environ["REQUEST_METHOD"] == "GET"
        lists = reads and "list-type" in environ.get("QUERY_STRING", "")
        match self._mode:
            case "list":
                return lists
            case "read":
                return reads and not lists and "secret" in environ["PATH_INFO"]
            case mode:
                return mode != "open"

    def _seed(self, bucket: str, keys: list[str]) -> None:
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key in keys:
            backend.put_object(bucket, key, key.encode())

    def _plain(self, start: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, _Gate(), threaded=True, request_handler=_Quiet)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
