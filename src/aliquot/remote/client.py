"""Asking a lab's API over HTTP: models out of answers, errors out of problems, and again what a cut connection lost."""

import json
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError, create_model

from aliquot import __version__
from aliquot.model.errors import AliquotError, Conflict, Invalid, Unavailable
from aliquot.remote.again import PASSING, Asked, Patience, asked_to_wait, may_repeat
from aliquot.remote.credentials import headers_for, is_session, kept_token, origin_of
from aliquot.remote.refused import error_from, unlike_a_lab

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
Query = Mapping[str, Any]

PAGE = 200
"""Lines that a list is asked for at a time: what the API gives at most."""
_PAUSES = (0.2, 1.0, 3.0)
"""Seconds before a request is sent again."""
_PART = 206
_PIECE = 1 << 20
_CONNECT, _ANSWER = 10.0, 120.0
_UNDER_WAY = 2.0
"""Seconds between two looks whether work that we have lost sight of has ended."""

Progress = Callable[[int, int, str], None]
"""Is told how much is done, of how much, and what was done last, if that has a name."""


class Client:
    """A connection to one lab's server; close it, or use it in a `with`. It can be used by several threads."""

    def __init__(
        self, url: str, token: str | None, *, notice: Callable[[str], None] = lambda _: None,
        pauses: tuple[float, ...] = _PAUSES,
    ) -> None:  # fmt: skip
        """Take a server's address and the token to sign in with; `notice` is told what a person should know."""
        self.origin = origin_of(url)
        self._token = token
        self.notice = notice
        self._pauses = pauses
        self._told = False
        self._http = _open(self.origin, token)

    def __repr__(self) -> str:
        return f"Client({self.origin!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, model: type[T], path: str, /, **query: Any) -> T:
        """Ask for a model; values of the query that are None or empty are left out."""
        return self.read(model, self.send("GET", path, query=query))

    def post(self, model: type[T], path: str, body: Any = None) -> T:
        """Send what makes or changes something; sent again, it is done once."""
        headers = {"idempotency-key": uuid.uuid4().hex}
        return self.read(model, self.send("POST", path, body=body, headers=headers))

    def put(self, model: type[T], path: str, body: Any) -> T:
        """Send what shall be so."""
        return self.read(model, self.send("PUT", path, body=body))

    def delete(self, path: str) -> None:
        """Take something away."""
        self.send("DELETE", path)

    def pages(
        self, model: type[T], path: str, /, *, limit: int | None = None, by: str = "cursor", **query: Any
    ) -> Iterator[T]:
        """Go through the pages of a list, of `limit` lines at most in all; `by` names what says where a page begins."""
        following: Any = None
        while limit is None or limit > 0:
            page: Any = self.get(model, path, **query, **{by: following}, limit=min(PAGE, limit or PAGE))
            yield page
            following = page.next
            if not following:
                return
            if limit is not None:
                limit -= PAGE

    def each(
        self, model: type[T], path: str, of: str, /, *, limit: int | None = None, by: str = "cursor", **query: Any
    ) -> Iterator[T]:  # fmt: skip
        """Give the lines of a list over its pages; `of` is what a page calls them."""
        for page in self.pages(_page_of(model, of), path, limit=limit, by=by, **query):
            yield from getattr(page, of)

    def send(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "httpx2.Response":  # fmt: skip
        """Send one request, and again where a connection is lost; what the server refuses is raised."""
        return self._sent(self._request(method, path, query, body, content, headers))

    def once(self, method: str, path: str, *, content: bytes, headers: Mapping[str, str]) -> "httpx2.Response":
        """Send one request, and not again."""
        return self._once(self._request(method, path, None, None, content, headers))

    def _request(
        self, method: str, path: str, query: Query | None, body: Any, content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> "httpx2.Request":  # fmt: skip
        sent = dict(headers or {})
        if body is not None:
            content = json.dumps(body).encode()
            sent["content-type"] = "application/json"
        address = f"/api/v1{path}"
        return self._http.build_request(method, address, params=_plain(query), content=content, headers=sent)

    @contextmanager
    def stream(self, path: str, start: int = 0, /, **query: Any) -> Generator["httpx2.Response"]:
        """Open what is too large for memory, from a byte on."""
        headers = {"range": f"bytes={start}-"} if start else {}
        request = self._http.build_request("GET", f"/api/v1{path}", params=_plain(query), headers=headers)
        with _troubles(self.origin):
            response = self._sent(request, stream=True)
            try:
                yield response
            finally:
                response.close()

    def work(
        self, model: type[T], path: str, /, progress: Progress = lambda _done, _total, _what: None, *,
        once: bool = False, **query: Any,
    ) -> T:  # fmt: skip
        """Have work done that takes its time; `progress` is told how much is done, of how much, and what was last.

        With `once`, it goes on there when the connection breaks off: we come back for its result. Otherwise it ends.
        """
        headers = {"idempotency-key": uuid.uuid4().hex} if once else {}
        request = self._http.build_request("POST", f"/api/v1{path}", params=_plain(query), headers=headers)
        failures, lost = 0, False
        while True:
            try:
                return self._worked(model, request, progress)
            except Unavailable as error:
                # What came of the work is no cut, such as a store without room.
                if not once or error.code not in PASSING or failures >= len(self._pauses):
                    raise
                if not lost:
                    self.notice(f"The connection to {self.origin} broke off; coming back for what was begun there.")
                time.sleep(self._pauses[failures])
                failures, lost = failures + 1, True
            except Conflict as error:
                # Ours goes on there, or by now somebody else's: after its end we are told what came of ours.
                if not lost or error.code != "work-under-way":
                    raise
                failures = 0
                time.sleep(_UNDER_WAY)

    def _worked(self, model: type[T], request: "httpx2.Request", progress: Progress) -> T:
        with _troubles(self.origin):
            response = self._sent(request, stream=True)
            try:
                for line in lines_of(response):
                    said = self._said(line)
                    if "problem" in said:
                        raise error_from(int(said["problem"].get("status", 0)), said["problem"], self.origin)
                    if "result" in said:
                        return self._modelled(model, json.dumps(said["result"]).encode(), __version__)
                    progress(int(said.get("done", 0)), int(said.get("total", 0)), str(said.get("what", "")))
            finally:
                response.close()
        sentence = f"The connection to {self.origin} broke off; see whether the lab is up, then try again."
        raise Unavailable("server-unreachable", sentence, url=self.origin)

    def _said(self, line: bytes) -> dict[str, Any]:
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise unlike_a_lab(200, self.origin)
        return said

    @contextmanager
    def told(self, path: str, last: str, patience: float) -> Generator[Iterator[str]]:
        """Open a stream of server-sent events, by its lines; `last` is the id of the last one that was heard.

        A silence of `patience` seconds is `Unavailable`.
        """
        headers = {"accept": "text/event-stream"} | ({"last-event-id": last} if last else {})
        timeout = _timeout(patience)
        request = self._http.build_request("GET", path, headers=headers, timeout=timeout)
        with _troubles(self.origin):
            response = self._once(request, stream=True)
            try:
                yield response.iter_lines()
            finally:
                response.close()

    def download(self, path: str) -> Iterator[bytes]:
        """Give the bytes of a file as they come; where the connection breaks off, go on from there."""
        have, failures = 0, 0
        while True:
            try:
                for piece in self._rest(path, have):
                    yield piece
                    have, failures = have + len(piece), 0
            except Unavailable:
                if failures >= len(self._pauses):
                    raise
                time.sleep(self._pauses[failures])
                failures += 1
            else:
                return

    def _rest(self, path: str, start: int) -> Iterator[bytes]:
        with self.stream(path, start) as response:
            if start and response.status_code != _PART:
                sentence = f"{self.origin} does not go on where the connection broke off; begin again."
                raise Invalid("server-not-aliquot", sentence, url=self.origin)
            yield from response.iter_bytes(_PIECE)

    def _once(
        self, request: "httpx2.Request", *, stream: bool = False, patient: bool = False
    ) -> "httpx2.Response":  # fmt: skip
        with _troubles(self.origin):
            response = self._http.send(request, stream=stream)
            if response.status_code >= 300:
                response.read()
                refused = self._refusal(response)
                seconds = asked_to_wait(response.status_code, response.headers) if patient else None
                raise refused if seconds is None else Asked(refused, seconds)
        return response

    def _sent(self, request: "httpx2.Request", *, stream: bool = False) -> "httpx2.Response":
        """Send a request, and again where a connection is lost, or where the server says when."""
        patient = may_repeat(request.method, request.headers)
        patience = Patience(self.origin, self._pauses, self.notice)
        return patience.again(lambda: self._once(request, stream=stream, patient=patient))

    def _refusal(self, response: "httpx2.Response") -> AliquotError:
        if response.is_redirect:
            sentence = f"{self.origin} sends us elsewhere, where the token would go, too; give the lab's own address."
            return Invalid("server-redirects", sentence, url=self.origin)
        kind = response.headers.get("content-type", "").partition(";")[0]
        problem: Any = None
        if kind == "application/problem+json":
            try:
                problem = response.json()
            except ValueError:
                problem = None
        error = error_from(response.status_code, problem, self.origin)
        if error.code == "sign-in-needed" and is_session(self._token):
            sentence = f"You are signed in at {self.origin} no more: `aliquot login {self.origin} --user NAME`."
            if kept_token(self.origin):
                sentence += f" Or `aliquot logout {self.origin}`: then the token that is kept is used again."
            return type(error)(error.code, sentence, **error.facts)
        if error.code == "sign-in-needed" and not self._token:
            sentence = f"{self.origin} wants to know who you are: `aliquot login {self.origin}`, or set ALIQUOT_TOKEN."
            return type(error)(error.code, sentence, **error.facts)
        return error

    def read(self, model: type[T], response: "httpx2.Response") -> T:
        """Read a model out of an answer."""
        theirs = response.headers.get("x-aliquot-version")
        if theirs is None:
            raise unlike_a_lab(response.status_code, self.origin)
        if theirs != __version__ and not self._told:
            self._told = True
            self.notice(f"{self.origin} runs Aliquot {theirs}, and this is {__version__}; not all may work.")
        return self._modelled(model, response.content, theirs)

    def _modelled(self, model: type[T], content: bytes, theirs: str) -> T:
        try:
            return _adapter(model).validate_json(content)
        except ValidationError as error:
            sentence = (
                f"{self.origin} runs Aliquot {theirs}, whose answer {__version__} does not understand; install that "
                "version here."
            )
            raise Invalid("server-version", sentence, theirs=theirs, ours=__version__) from error


def lines_of(response: "httpx2.Response") -> Iterator[bytes]:
    """Give the lines of an answer, which end with a line feed and with nothing else: text may hold other ends."""
    rest = b""
    for piece in response.iter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest


def path_of(*parts: object) -> str:
    """Make a path of names: what stands in one of them is never taken for the path's own slashes."""
    return "".join(f"/{quote(str(each), safe='')}" for each in parts)


def file_path(path: str) -> str:
    """Write a path within a dataset as the end of an address."""
    return quote("/" + path.lstrip("/"))


def _plain(query: Query | None) -> dict[str, Any]:
    return {name: value for name, value in (query or {}).items() if value not in (None, "", [])}


@lru_cache(maxsize=200)
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


@lru_cache(maxsize=50)
def _page_of(model: Any, of: str) -> type[Any]:
    """Make the model of a page: lines under a name, and where the next begins."""
    fields: dict[str, Any] = {of: (list[model], ...), "next": (str | None, ...)}
    return create_model("Page", **fields)


def _open(origin: str, token: str | None) -> "httpx2.Client":
    try:
        import httpx2
    except ImportError:
        sentence = "Working with a lab on another machine is not installed; get it with: pip install 'aliquot[remote]'"
        raise Unavailable("extra-missing", sentence) from None
    headers = {"accept": "application/json", "user-agent": f"aliquot/{__version__}"}
    if token is not None:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise Invalid("token-malformed", "The token is not one that Aliquot has made; sign in again.")
        headers |= headers_for(token)
    return httpx2.Client(base_url=origin, headers=headers, timeout=_timeout(_ANSWER), follow_redirects=False)


def _timeout(seconds: float) -> "httpx2.Timeout":
    import httpx2

    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT))


@contextmanager
def _troubles(origin: str) -> Generator[None]:
    """Say what is wrong with the network; nothing of a request, which holds the token, gets into the words."""
    import ssl

    import httpx2

    try:
        yield
    except httpx2.TimeoutException:
        sentence = f"{origin} does not answer in time; see whether the lab is up, then try again."
        raise Unavailable("server-silent", sentence, url=origin) from None
    except httpx2.ConnectError as error:
        if _certificate(error, ssl.SSLError):
            sentence = (
                f"The certificate of {origin} is not trusted; check the address, or name your lab's own authority "
                "with SSL_CERT_FILE=FILE."
            )
            raise Invalid("server-certificate", sentence, url=origin) from None
        sentence = f"{origin} cannot be reached; see whether the lab is up there (`aliquot up`), and the address."
        raise Unavailable("server-unreachable", sentence, url=origin) from None
    except httpx2.TransportError:
        sentence = f"The connection to {origin} broke off; see whether the lab is up, then try again."
        raise Unavailable("server-unreachable", sentence, url=origin) from None


def _certificate(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind) or "CERTIFICATE" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
