"""A small OpenID Connect provider on loopback, with keys of its own, that can also be made to misbehave."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc.jwk import KeySet, RSAKey
from joserfc.jwt import encode

CLIENT, SECRET = "riverside", "of the lab alone"

Claims = dict[str, Any]


class IdentityProvider:
    """Signs in whoever `person` says, without asking anybody.

    `change` may alter a token's claims before it is signed; `key` is what signs, and `published` what is told of it.
    """

    def __init__(self) -> None:
        self.person: Claims = {}
        self.change: Callable[[Claims], Claims] = lambda claims: claims
        self.userinfo: Claims = {}
        self.key = new_key("first")
        self.published = [self.key]
        self.asked_for_keys = 0
        self.codes: dict[str, Claims] = {}
        self.tokens: set[str] = set()
        provider = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.post(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realm"

    def turn_key(self) -> None:
        """Sign with a new key from now on."""
        self.key = new_key(secrets.token_hex(4))
        self.published = [*self.published, self.key]

    def get(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path.removeprefix("/realm"):
            case "/.well-known/openid-configuration":
                answer(request, self._about())
            case "/keys":
                self.asked_for_keys += 1
                answer(request, KeySet(list(self.published)).as_dict(private=False))
            case "/authorize":
                code = secrets.token_urlsafe(8)
                self.codes[code] = query
                back = urlencode({"code": code, "state": query["state"], "iss": self.issuer})
                request.send_response(302)
                request.send_header("location", f"{query['redirect_uri']}?{back}")
                request.end_headers()
            case "/userinfo":
                token = request.headers.get("authorization", "").removeprefix("Bearer ")
                answer(request, self.userinfo, 200 if token in self.tokens else 401)
            case "/end":
                answer(request, {"ended": True})
            case _:
                answer(request, {}, 404)

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"])).decode()
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        begun = self.codes.pop(sent.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
        if request.headers.get("authorization") != f"Basic {basic}":
            answer(request, {"error": "invalid_client"}, 401)
        elif (
            begun is None
            or begun["redirect_uri"] != sent["redirect_uri"]
            or begun["code_challenge"] != challenge.decode().rstrip("=")
            or begun["code_challenge_method"] != "S256"
        ):
            answer(request, {"error": "invalid_grant"}, 400)
        else:
            answer(request, self._token(begun["nonce"]))

    def _token(self, nonce: str) -> Claims:
        now, access = int(time.time()), secrets.token_urlsafe(16)
        self.tokens.add(access)
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims = {
            "iss": self.issuer, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="), **self.person,
        }  # fmt: skip
        header = {"alg": "RS256", "kid": self.key.kid}
        return {
            "access_token": access, "token_type": "Bearer", "expires_in": 300,
            "id_token": encode(header, self.change(claims), self.key),
        }  # fmt: skip

    def _about(self) -> Claims:
        ends = {
            "authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys",
            "userinfo_endpoint": "userinfo", "end_session_endpoint": "end",
        }  # fmt: skip
        return {"issuer": self.issuer, **{name: f"{self.issuer}/{path}" for name, path in ends.items()}}


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def answer(request: BaseHTTPRequestHandler, document: Any, status: int = 200) -> None:
    body = json.dumps(document).encode()
    request.send_response(status)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Run a provider until the end of the context."""
    provider = IdentityProvider()
    thread = threading.Thread(target=provider.server.serve_forever, args=(0.05,), name="identity provider")
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()
