"""A gate before a server of buckets, which refuses for a while as the clouds do."""

import http.client
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import unquote, urlsplit

Cloud = Literal["s3", "az", "gs"]
How = Literal["slow", "slow to read", "expired", "list", "read"]

_XML = "<?xml version='1.0' encoding='utf-8'?><Error><Code>{}</Code><Message>{}</Message></Error>"
_ANSWERS: dict[tuple[Cloud, str], tuple[int, str, str]] = {
    ("s3", "slow"): (503, "SlowDown", "Please reduce your request rate."),
    ("s3", "expired"): (400, "ExpiredToken", "The provided token has expired."),
    ("s3", "denied"): (403, "AccessDenied", "Access Denied"),
    ("az", "slow"): (503, "ServerBusy", "Operations per second is over the account limit."),
    ("az", "expired"): (403, "AuthenticationFailed", "Signature not valid in the specified time frame."),
    ("az", "denied"): (403, "AuthorizationPermissionMismatch", "This request is not authorized with this permission."),
    ("gs", "slow"): (429, "SlowDown", "Please reduce your request rate."),
    ("gs", "expired"): (401, "AuthenticationRequired", "The access token has expired."),
    ("gs", "denied"): (403, "AccessDenied", "Access denied."),
}  # fmt: skip
_OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Gate:
    """Carries requests to a server at `upstream`; `address` is its own.

    It may refuse: all, as too many (`slow`), or only what reads objects; all, as with credentials that have expired;
    listing; or reading keys with "secret" in them.
    """

    def __init__(self, upstream: str, cloud: Cloud) -> None:
        self._upstream = urlsplit(upstream)
        self.cloud: Cloud = cloud
        self._how: How | None = None
        self._left = 0
        self.refused = 0
        gate = self

        class Carrier(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                gate.carry(self)

            do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = handle_any  # noqa: N815  # the base's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Carrier)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}{self._upstream.path}"
        threading.Thread(target=self._server.serve_forever, name="gate", daemon=True).start()

    @contextmanager
    def refusing(self, how: How, times: int = 10**9) -> Generator[None]:
        """Refuse for a while, or so many times."""
        self._how, self._left = how, times
        try:
            yield
        finally:
            self._how = None

    def close(self) -> None:
        """Carry nothing any more."""
        self._server.shutdown()
        self._server.server_close()

    def carry(self, asked: BaseHTTPRequestHandler) -> None:
        """Answer a request, or let the server do so."""
        body = asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        answer = self._refusal(asked)
        if answer is None:
            upstream = http.client.HTTPConnection(self._upstream.hostname or "", self._upstream.port or 80, timeout=60)
            try:
                upstream.putrequest(asked.command, asked.path, skip_host=True, skip_accept_encoding=True)
                for name, value in asked.headers.items():
                    if name.lower() not in {"connection", "transfer-encoding"}:
                        upstream.putheader(name, value)
                upstream.endheaders(body)
                got = upstream.getresponse()
                content = got.read()
                headers = {name: value for name, value in got.getheaders() if name.lower() not in _OF_CONNECTION}
                length = got.getheader("Content-Length") if asked.command == "HEAD" else str(len(content))
                answer = got.status, headers, content, length or "0"
            finally:
                upstream.close()
        status, headers, content, length = answer
        asked.send_response_only(status)
        for name, value in {**headers, "Content-Length": length}.items():
            asked.send_header(name, value)
        asked.end_headers()
        asked.wfile.write(content)

    def _refusal(self, asked: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes, str] | None:
        how = self._how
        if how is None or self._left <= 0 or not self._concerns(how, asked):
            return None
        self._left -= 1
        self.refused += 1
        kind = how if how == "expired" else "slow" if how.startswith("slow") else "denied"
        status, code, text = _ANSWERS[self.cloud, kind]
        content = b"" if asked.command == "HEAD" else _XML.format(code, text).encode()
        headers = {"Content-Type": "application/xml", "x-ms-error-code": code}
        if kind == "slow":
            headers["Retry-After"] = "1"
        return status, headers, content, str(len(content))

    def _concerns(self, how: How, asked: BaseHTTPRequestHandler) -> bool:
        parts = urlsplit(asked.path)
        reads = asked.command == "GET"
        lists = reads and ("list-type=2" in parts.query or "comp=list" in parts.query)
        match how:
            case "list":
                return lists
            case "read":
                return reads and not lists and "secret" in unquote(parts.path)
            case "slow to read":
                return reads and not lists
            case _:
                return True
