"""A server on loopback that answers every request in one way: for what a client meets that is no healthy lab."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aliquot import __version__

TOKEN = "aliquot_0123456789abcdef"
ME = {"name": "ada", "how": "token", "roles": {}, "scope": None, "lab": "far"}

Answers = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answers, wrap: Callable[[socket.socket], socket.socket] | None = None) -> Iterator[str]:
    """Give the address of a server that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET  # noqa: N815 - as http.server calls it

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if wrap:
        server.socket = wrap(server.socket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if wrap else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def reply(status: int, body: bytes, **headers: str) -> Answers:
    """Answer with bytes; underscores in names of headers stand for hyphens."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers.get("content-length", 0)))
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def ours(document: object, version: str = __version__) -> Answers:
    """Answer as a lab does."""
    return reply(200, json.dumps(document).encode(), content_type="application/json", x_aliquot_version=version)
