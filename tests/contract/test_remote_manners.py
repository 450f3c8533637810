"""How the client behaves where the network, the server or the token is not as it should be."""

import io
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from aliquot.access import tokens
from aliquot.lab import open_lab
from aliquot.model.errors import Invalid, Unavailable
from aliquot.remote.client import Client
from aliquot.remote.credentials import keep_token, origin_of, place, token_for
from aliquot.remote.people import Me, who_am_i
from far_lab import Far, aliquot, make_lab, served
from odd_server import ME, TOKEN, Answers, answering, ours, reply


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("ALIQUOT_TOKEN", TOKEN)
    for name in ("ALIQUOT_SERVER", "ALIQUOT_LAB"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(200, b"<html>hello</html>", content_type="text/html"), "server-not-aliquot"),
        (reply(404, b"nothing"), "server-not-aliquot"),
        (reply(401, b"{}", content_type="application/problem+json"), "server-not-aliquot"),
        (reply(500, b"[1, 2", content_type="application/problem+json"), "server-not-aliquot"),
        (reply(502, b"<html>bad gateway</html>"), "server-away"),
        (reply(302, b"", location="http://127.0.0.1:1/elsewhere"), "server-redirects"),
        (ours({"name": 7}, "9.9.9"), "server-version"),
    ],
)
def test_what_is_no_lab_is_told_as_such(answer: Answers, code: str) -> None:
    raised = pytest.raises((Invalid, Unavailable))
    with answering(answer) as url, Client(url, TOKEN, pauses=()) as client, raised as found:
        who_am_i(client)
    assert found.value.code == code
    assert TOKEN not in f"{found.value.message} {found.value.facts}"


def test_another_version_that_is_understood_is_said_once() -> None:
    said: list[str] = []
    with answering(ours(ME, "9.9.9")) as url, Client(url, TOKEN, notice=said.append) as client:
        assert who_am_i(client).name == who_am_i(client).name == "ada"
    assert len(said) == 1
    assert "9.9.9" in said[0]


def test_nobody_there_and_nobody_answering() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said = aliquot("run", "list", "--server", url)
    assert (said.code, "[server-unreachable]" in said.err) == (5, True)
    assert TOKEN not in said.err


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    key, certificate = _self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    wrap = lambda plain: context.wrap_socket(plain, server_side=True)  # noqa: E731
    with answering(ours(ME), wrap) as url:
        said = aliquot("run", "list", "--server", url)
    assert (said.code, "[server-certificate]" in said.err) == (2, True)


def test_what_was_cut_is_sent_again_under_the_same_key() -> None:
    keys: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        keys.append(request.headers["idempotency-key"])
        if len(keys) < 3:
            # The request has come, and its answer never does.
            request.connection.shutdown(socket.SHUT_RDWR)
        else:
            ours(ME)(request)

    with answering(answer) as url, Client(url, TOKEN, pauses=(0.0, 0.0)) as client:
        assert client.post(Me, "/runs", {}).name == "ada"
    assert len(keys) == 3
    assert len(set(keys)) == 1


@pytest.mark.parametrize(
    "address",
    ["lab.example.org", "ftp://lab", "http://", "https://ada:secret@lab", "https://lab/path", "http://lab:port", ""],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(Invalid) as raised:
        origin_of(address)
    assert raised.value.code == "server-address-refused"
    assert "secret" not in raised.value.message


def test_tokens_are_kept_for_their_owner_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIQUOT_TOKEN")
    assert token_for("https://lab") is None
    keep_token("https://lab", "one")
    keep_token(origin_of("https://LAB:443/"), "two")
    assert token_for("https://lab") == "two"
    assert place().stat().st_mode & 0o777 == 0o600
    place().chmod(0o644)
    with pytest.raises(Invalid, match="Others can read"):
        token_for("https://lab")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = make_lab(tmp_path_factory.mktemp("far") / "lab")
    with served(folder.folder) as far:
        yield far


def test_signing_in_keeps_a_token_that_the_server_takes(lab: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIQUOT_TOKEN")
    nobody = aliquot("run", "list", "--server", lab.url)
    assert (nobody.code, "aliquot login" in nobody.err) == (2, True)
    for given, code in (("aliquot_wrong\n", 2), ("\n", 2), (f"{lab.token}\n", 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        said = aliquot("login", lab.url)
        assert said.code == code, said
        assert lab.token not in said.out + said.err
    assert aliquot("run", "list", "--server", lab.url).code == 0
    assert "forgotten" in aliquot("logout", lab.url).out
    assert aliquot("run", "list", "--server", lab.url).code == 2


def test_a_token_that_has_ended_or_may_not(lab: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_lab(lab.folder) as here, here.catalogue.write() as connection:
        word, made = tokens.make_token(connection, here.by, "ada", "narrow", ["run.read"])
    monkeypatch.setenv("ALIQUOT_TOKEN", word)
    assert aliquot("run", "list", "--server", lab.url).code == 0
    denied = aliquot("dataset", "list", "--server", lab.url)
    assert (denied.code, "[access-denied]" in denied.err) == (2, True)
    with open_lab(lab.folder) as here, here.catalogue.write() as connection:
        tokens.end_token(connection, here.by, made.id)
    over = aliquot("run", "list", "--server", lab.url)
    assert (over.code, "[token-over]" in over.err, word in over.err) == (2, True, False)


def test_an_upload_goes_on_where_the_line_was_cut(lab: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALIQUOT_TOKEN", lab.token)
    content = bytes(range(256)) * (12 << 12)
    (tmp_path / "large.bin").write_bytes(content)
    with _cutting(lab.url, after=5 << 20, times=2) as (url, cuts):
        said = aliquot("ingest", "large", str(tmp_path / "large.bin"), "--server", url)
    assert said.code == 0, said
    assert len(cuts) == 2
    assert aliquot("dataset", "export", "large", str(tmp_path / "out"), "--server", lab.url).code == 0
    assert (tmp_path / "out/large.bin").read_bytes() == content


@contextmanager
def _cutting(upstream: str, after: int, times: int) -> Iterator[tuple[str, list[int]]]:
    """Carry connections to a server, and cut the first of them that have carried so many bytes there."""
    host, port = upstream.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))
    cuts: list[int] = []

    def carry(source: socket.socket, target: socket.socket, most: int | None) -> None:
        carried = 0
        with suppress(OSError):
            while data := source.recv(65536):
                carried += len(data)
                if most is not None and carried > most and len(cuts) < times:
                    cuts.append(carried)
                    break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((host, int(port)))
                threading.Thread(target=carry, args=(client, server, after), daemon=True).start()
                threading.Thread(target=carry, args=(server, client, None), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", cuts
    finally:
        listener.close()


def _self_signed(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    where = folder / "key.pem", folder / "certificate.pem"
    plain = serialization.NoEncryption()
    where[0].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    where[1].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return where
