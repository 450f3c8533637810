"""What somebody with bad intent, or bad luck, sends: sessions, origins, redirects, sizes, names, uploads."""

import base64
import re
import socket
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from aliquot.access.by import at_the_machine
from aliquot.access.people import add_person, disable, find_person
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.access.secret_words import digest_of, form_word
from aliquot.access.sessions import open_session
from aliquot.access.tokens import make_token
from aliquot.db.access_tables import session
from aliquot.lab import Lab, definitions, open_lab
from aliquot.server.app import registered
from aliquot.server.registered import SMALL
from aliquot.server.serve import Server
from aliquot.server.settings import read_settings

HERE = at_the_machine("tester", "bench")
FUZZ = settings(
    max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60).filter(
    lambda text: text == text.strip() and not re.search(r"[\x80-\xa0]", text)
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("hard")
    (folder / "aliquot.yaml").write_text("lab: riverside\nuploads: {largest: 1MiB}\n")
    with open_lab(folder) as lab:
        definitions.apply(lab)
        for name, role in {"ana": Role.ADMINISTRATOR, "vera": Role.VIEWER}.items():
            lab.catalogue.repeat(lambda c, name=name, role=role: add_person(c, HERE, name, {EVERYWHERE: role}))
        yield lab


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    with Server(lab, read_settings("127.0.0.1:0")) as started:
        yield started


def sign_in(lab: Lab, name: str) -> str:
    return lab.catalogue.repeat(lambda c: open_session(c, find_person(c, name), HERE)).word


def client_of(server: Server, word: str, **headers: str) -> httpx.Client:
    own = {"x-csrf-token": form_word(word), "accept": "application/json", **headers}
    return httpx.Client(base_url=server.address, cookies={"aliquot_session": word}, headers=own, timeout=120)


@pytest.fixture(scope="module")
def ana(lab: Lab, server: Server) -> Iterator[httpx.Client]:
    with client_of(server, sign_in(lab, "ana")) as client:
        yield client


def test_sessions_that_are_over_forged_or_of_somebody_gone_are_nobodys(lab: Lab, server: Server) -> None:
    def told(word: str) -> tuple[int, str]:
        with client_of(server, word) as client:
            changed = client.post("/api/v1/tokens", json={"name": "x", "scope": ["run.read"]})
            assert changed.is_success == client.get("/home.json").is_success
            return changed.status_code, "" if changed.is_success else changed.json()["code"]

    word, aged, idle, gone = (sign_in(lab, "vera") for _ in range(4))
    assert told(word) == (201, "")
    for each, column in ((aged, "expires_at"), (idle, "used_at")):
        late = update(session).where(session.c.digest == digest_of(each)).values({column: 1.0})
        lab.catalogue.repeat(lambda c, late=late: c.execute(late))
        assert told(each) == (401, "sign-in-needed")
    for forged in (word[:-1], word + "x", word.swapcase(), "", "x" * 10_000, quote("é\0;"), digest_of(word)):
        assert told(forged)[0] == 401
    token = lab.catalogue.repeat(lambda c: make_token(c, HERE, "vera", "t", ["home.read"])[0])
    bearer = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{server.address}/home.json", headers=bearer).status_code == 200
    lab.catalogue.repeat(lambda c: disable(c, HERE, "vera"))
    assert told(gone)[0] == told(word)[0] == 401
    assert httpx.get(f"{server.address}/home.json", headers=bearer).json()["code"] == "token-unknown"
    lab.catalogue.repeat(lambda c: disable(c, HERE, "vera", disabled=False))
    assert told(word)[0] == 401, "what has ended does not come back"
    for wrong in (b"Bearer x", "Bearer é".encode(), b"Basic dmVyYTp4", b"bearer", b"x" * 9_000):
        assert httpx.get(f"{server.address}/home.json", headers={"authorization": wrong}).status_code == 401, wrong


def test_no_form_does_anything_for_a_page_of_another_site(lab: Lab, server: Server) -> None:
    word = sign_in(lab, "ana")
    changing = [each for each in registered() if each.method not in {"GET", "HEAD", "OPTIONS"}]
    signs = ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
             {"sec-fetch-site": "same-site"})  # fmt: skip
    with client_of(server, word) as client:
        for at, each in enumerate(route for route in changing if route.kind != "hook"):
            path = re.sub(r"\{[^}]+\}", "1", each.path)
            answer = client.request(each.method, path, headers=signs[at % len(signs)])
            # What is not there is told before: nothing is changed by either.
            assert answer.status_code in {403, 404}, f"{each.method} {path}: {answer.text}"
            assert answer.status_code == 404 or answer.json()["code"] == "other-origin"
        assert client.get("/home.json").status_code == 200, "not even signing out"


@pytest.mark.parametrize("where", [
    "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
    "javascript:1", "https:evil.example", "/%0d%0aset-cookie:a=b", "//evil.example/%2e%2e", "http:///evil.example", "",
])  # fmt: skip
def test_no_redirect_leads_elsewhere(lab: Lab, server: Server, where: str) -> None:
    word = sign_in(lab, "ana")
    with client_of(server, word) as client:
        signed = client.get("/login", params={"next": where})
        back = client.post("/theme", data={"csrf": form_word(word), "theme": "dark"}, headers={"referer": "x"})
        path = quote(where)
        odd = client.get(f"/{path}")
        for answer in (signed, back, odd):
            to = answer.headers.get("location", "/")
            assert (urlsplit(to).netloc, to[:1], to[:2] == "//", "\\" in to) == ("", "/", False, False), to
            assert "set-cookie" not in odd.headers


def test_a_body_is_not_read_of_who_may_not_send_it(server: Server) -> None:
    """A request that says it has as much as its route takes is refused before that comes."""
    host, port = server.address.removeprefix("http://").split(":")
    large = [each for each in registered() if each.most > SMALL]
    assert large
    for each in large:
        path = re.sub(r"\{[^}]+\}", "1", each.path)
        head = (
            f"{each.method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: application/json\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {min(2**29, each.most)}\r\n\r\n"
            '--x\r\nContent-Disposition: form-data; name="files"; filename="big.png"\r\n\r\n'
        )
        with socket.create_connection((host, int(port)), timeout=60) as line:
            line.sendall(head.encode() + bytes(100_000))
            first = line.recv(100).decode()
        assert first.startswith("HTTP/1.1 401"), f"{each.method} {each.path}: {first}"


def test_what_is_pasted_is_bounded(ana: httpx.Client) -> None:
    rows = "\n".join(f"SELECT {number} UNION" for number in range(1_000_000))
    assert ana.post("/api/v1/hub/query", json={"sql": rows}).json()["code"] == "body-too-large"
    assert ana.post("/api/v1/hub/query", json={"sql": rows[:500_000]}).json()["code"] == "request-refused"
    assert ana.get("/hub", params={"sql": rows[:30_000]}).json()["code"] == "request-refused"
    word = ana.headers["x-csrf-token"]
    for path in ("/administration/people", "/account/tokens", "/login"):
        assert ana.post(path, data={"csrf": word, "name": rows}).status_code == 413
        assert ana.post(path, data={"csrf": word, "name": rows[:10_000]}).status_code in {401, 422}


def test_names_with_markup_stay_text(ana: httpx.Client) -> None:
    odd = "<script>alert(1)</script>\"'><img src=x onerror=1>"
    page = {"accept": "text/html"}
    made = ana.post("/api/v1/people", json={"name": "mark", "title": odd, "role": "viewer"})
    assert made.status_code == 201, made.text
    ana.post("/api/v1/tokens", json={"name": odd, "scope": ["run.read"]})
    asked = quote(odd)
    for path in (
        "/administration/people", "/account", "/administration/tokens", "/administration/audit", f"/{asked}",
        f"/datasets?q={asked}", f"/receipts?q={asked}", f"/hub?sql={asked}", f"/administration/audit?text={asked}",
        f"/quarantine?text={asked}",
    ):  # fmt: skip
        text = ana.get(path, headers=page).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path


def begin(client: httpx.Client, metadata: str, size: str) -> httpx.Response:
    said = {"upload-length": size.encode("latin-1"), "upload-metadata": metadata.encode("latin-1")}
    return client.post("/api/v1/uploads", headers=said)


@FUZZ
@given(metadata=HEADER, size=HEADER | st.integers().map(str))
def test_whatever_is_said_of_an_upload_is_taken_or_refused(ana: httpx.Client, metadata: str, size: str) -> None:
    answer = begin(ana, metadata, size)
    assert answer.status_code in {201, 422}, answer.text


@FUZZ
@given(
    name=st.text(max_size=300), size=st.integers(-1, 2**64) | st.integers(0, 9), offset=HEADER | st.integers().map(str)
)
def test_no_name_leads_out_of_a_dataset_and_no_offset_elsewhere(
    ana: httpx.Client, name: str, size: int, offset: str
) -> None:
    word = base64.b64encode(name.encode(errors="replace")).decode()
    answer = begin(ana, f"filename {word},into {base64.b64encode(b'texts').decode()}", str(size))
    assert answer.status_code in {201, 422}, answer.text
    if answer.status_code == 422:
        return
    parts = answer.json()["path"].split("/")
    assert parts[0] == ""
    assert not {"", ".", ".."} & set(parts[1:])
    address = answer.headers["location"]
    sent = ana.patch(address, content=b"12345", headers={"upload-offset": offset.encode("latin-1")})
    assert sent.status_code in {204, 409, 422}, sent.text
    state = ana.get(address).json()
    assert 0 <= state["offset"] <= size
    assert ana.delete(address).status_code == 204
