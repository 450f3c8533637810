"""Signing in by an OpenID Connect provider: a real one on loopback, a real server, and tokens that are not good."""

import base64
import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from aliquot.access.people import disable, find_person
from aliquot.access.rights import Role
from aliquot.db.tables import audit
from aliquot.lab import open_lab
from browse import chromium, faults_for_readers
from identity_provider import CLIENT, SECRET, Claims, IdentityProvider, identity_provider, new_key
from lab_folder import LabFolder
from running_server import RunningServer, form_word, running_server

LAB = """
lab: riverside
projects: [blue, red]
vaults: {{local: {{folder: vault}}}}
login:
  oidc:
    issuer: {issuer}
    client_id: riverside
    client_secret: ${{secret:local/oidc}}
    groups:
      admins: administrator
      readers: viewer
      blue-team: {{blue: technician, red: viewer}}
      chiefs: {{blue: scientist}}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as started:
        yield started


@pytest.fixture(scope="module")
def server(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("lab"))
    lab.write("aliquot.yaml", LAB.format(issuer=provider.issuer))
    lab.write("vault/oidc", SECRET).chmod(0o600)
    with running_server(lab) as started:
        yield started


@pytest.fixture(autouse=True)
def _as_it_should_be(provider: IdentityProvider) -> None:
    provider.change = lambda claims: claims
    provider.userinfo = {}


def person(name: str, *groups: str) -> Claims:
    return {"sub": f"id of {name}", "preferred_username": name, "name": name.title(), "groups": list(groups)}


def begun(server: RunningServer, after: str = "/") -> tuple[httpx.Client, str]:
    """Go to the provider and give the browser, and the address that it is sent back to."""
    client = httpx.Client(base_url=server.address, timeout=60)
    there = client.get("/login/provider", params={"next": after})
    assert there.status_code == 303, there.text
    return client, httpx.get(there.headers["location"]).headers["location"]


def signed_in(server: RunningServer, after: str = "/") -> tuple[httpx.Client, httpx.Response]:
    client, back = begun(server, after)
    return client, client.get(back)


def encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def denied(server: RunningServer) -> list[tuple[str, str]]:
    with open_lab(server.lab.folder) as lab, lab.catalogue.read() as connection:
        query = select(audit).where(audit.c.outcome != "done", audit.c.action == "sign in").order_by(audit.c.number)
        return [(row.subject, (row.after or {}).get("reason", "")) for row in connection.execute(query)]


def roles(server: RunningServer, name: str) -> dict[str, Role]:
    with open_lab(server.lab.folder) as lab, lab.catalogue.read() as connection:
        return dict(find_person(connection, name).roles)


def test_the_first_sign_in_makes_the_person_and_groups_are_followed(
    server: RunningServer, provider: IdentityProvider
) -> None:
    with httpx.Client(base_url=server.address) as client:
        assert (
            'href="/login/provider?next=%2Fruns%3Fstate%3DRUNNING"'
            in client.get("/login?next=/runs%3Fstate%3DRUNNING").text
        )
    provider.person = person("Vera", "blue-team", "chiefs", "choir")
    client, answer = signed_in(server, "/runs?state=RUNNING")
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs?state=RUNNING")
    assert client.get("/home.json").status_code == 200
    assert roles(server, "vera") == {"blue": Role.SCIENTIST, "red": Role.VIEWER}
    assert client.get("/administration.json").status_code == 403

    provider.person = person("Vera", "admins")
    again, _ = signed_in(server)
    assert roles(server, "vera") == {"*": Role.ADMINISTRATOR}
    assert again.get("/administration.json").status_code == 200

    provider.person = person("Vera", "choir")
    _, refused = signed_in(server)
    assert refused.status_code == 401
    assert "none of your groups" in refused.text
    assert roles(server, "vera") == {}
    assert again.get("/administration.json").status_code == 403
    assert denied(server)[-1] == ("person vera", "groups-without-role")

    provider.person = person("stranger", "choir")
    assert signed_in(server)[1].status_code == 401
    with open_lab(server.lab.folder) as lab, lab.catalogue.read() as connection:
        names = connection.execute(select(audit.c.subject).where(audit.c.action == "people.manage")).scalars().all()
    assert "person stranger" not in names


def test_who_is_disabled_stays_out_and_names_are_not_taken_over(
    server: RunningServer, provider: IdentityProvider
) -> None:
    provider.person = person("admin", "readers")
    client, _ = signed_in(server)
    assert 'class="name" href="/account" title="Signed in as admin.2' in client.get("/datasets").text
    with open_lab(server.lab.folder) as lab:
        lab.catalogue.repeat(lambda connection: disable(connection, lab.by, "admin.2"))
    assert client.get("/home.json").status_code == 401
    _, refused = signed_in(server)
    assert refused.status_code == 401
    assert "disabled" in refused.text
    assert denied(server)[-1] == ("person admin.2", "sign-in-refused")


BAD: dict[str, Callable[[Claims], Claims]] = {
    "expired": lambda claims: claims | {"exp": int(time.time()) - 600, "iat": int(time.time()) - 900},
    "of another audience": lambda claims: claims | {"aud": "another"},
    "for another party": lambda claims: claims | {"aud": [CLIENT, "another"], "azp": "another"},
    "of another issuer": lambda claims: claims | {"iss": "https://evil.example"},
    "of another sign-in": lambda claims: claims | {"nonce": "another"},
    "without nonce": lambda claims: {name: each for name, each in claims.items() if name != "nonce"},
    "without end": lambda claims: {name: each for name, each in claims.items() if name != "exp"},
    "for another access token": lambda claims: claims | {"at_hash": "another"},
    "without a person": lambda claims: {name: each for name, each in claims.items() if name != "sub"},
}


@pytest.mark.parametrize("what", BAD)
def test_a_token_that_is_not_good_lets_nobody_in(server: RunningServer, provider: IdentityProvider, what: str) -> None:
    provider.person, provider.change = person("mallory", "admins"), BAD[what]
    client, answer = signed_in(server)
    assert answer.status_code == 401, what
    assert "cannot be trusted" in answer.text
    assert client.get("/home.json").status_code == 401
    assert denied(server)[-1] == (f"provider {provider.issuer}", "identity-refused")


def test_a_forged_signature_is_refused(server: RunningServer, provider: IdentityProvider) -> None:
    provider.person = person("mallory", "admins")
    true_key, published = provider.key, provider.published
    try:
        provider.key = new_key(true_key.kid or "")
        assert signed_in(server)[1].status_code == 401
        # Signed with what everybody can read, as if it were a shared secret.
        public = true_key.as_pem(private=False)
        provider.key, sign = true_key, provider._token

        def confused(nonce: str) -> Claims:
            token = sign(nonce)
            now = int(time.time())
            claims = {"iss": provider.issuer, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce}
            header = {"alg": "HS256", "kid": true_key.kid}
            said = b".".join(encoded(json.dumps(each).encode()) for each in (header, claims | provider.person))
            signature = encoded(hmac.new(public, said, hashlib.sha256).digest())
            token["id_token"] = (said + b"." + signature).decode()
            return token

        provider._token = confused  # type: ignore[method-assign]
        assert signed_in(server)[1].status_code == 401
    finally:
        provider.__dict__.pop("_token", None)
        provider.key, provider.published = true_key, published


def test_a_state_is_good_once_and_in_one_browser(server: RunningServer, provider: IdentityProvider) -> None:
    provider.person = person("bob", "readers")
    client, back = begun(server)
    with httpx.Client(base_url=server.address) as other:
        assert "begin it again" in other.get(back).text
    assert client.get(back).status_code == 303
    client.cookies.delete("aliquot_session")
    assert client.get(back).status_code == 401
    assert denied(server)[-1][1] == "sign-in-outdated"
    query = parse_qs(urlsplit(begun(server)[1]).query)
    for state, status in {"": 401, "a.1.b": 401, query["state"][0] + "x": 401, "\0": 422}.items():
        assert client.get("/login/provider/back", params={"code": "x", "state": state}).status_code == status
    client, back = begun(server)
    assert client.get(re.sub("iss=[^&]+", "iss=https%3A%2F%2Fevil.example", back)).status_code == 401


def test_logging_out_and_passwords_of_people_of_the_provider(server: RunningServer, provider: IdentityProvider) -> None:
    provider.person = person("carla", "readers")
    client, _ = signed_in(server)
    out = client.post("/logout", data={"csrf": form_word(client.get("/").text)})
    assert out.headers["location"] == "/login?out=1"
    assert client.get("/home.json").status_code == 401
    assert "/logout/provider" in client.get("/login?out=1").text
    there = client.get("/logout/provider").headers["location"]
    assert there.startswith(f"{provider.issuer}/end?")
    # An administrator may give them a password, with which they sign approvals; it opens nothing.
    link = re.search(r"/welcome/\S+", server.lab.run("user", "invite", "carla").stdout)
    assert link
    word = "four unrelated words here"
    sent = {"password": word, "again": word, "csrf": form_word(client.get(link[0]).text)}
    assert client.post(link[0], data=sent).headers["location"] == "/login"
    assert client.get("/home.json").status_code == 401
    page = client.get("/login")
    refused = client.post("/login", data={"name": "carla", "password": word, "csrf": form_word(page.text)})
    assert refused.status_code == 401


def test_a_provider_turns_its_key_gives_groups_elsewhere_and_goes_away(
    server: RunningServer, provider: IdentityProvider
) -> None:
    provider.person = {"sub": "id of dora", "email": "Dora@Example.org"}
    provider.userinfo = {"sub": "id of dora", "groups": ["readers"], "name": "Dora"}
    assert signed_in(server)[1].status_code == 303
    assert roles(server, "dora@example.org") == {"*": Role.VIEWER}
    provider.userinfo = {"sub": "id of another", "groups": ["admins"]}
    assert signed_in(server)[1].status_code == 401
    server.lab.write("vault/oidc", "another").chmod(0o600)
    _, refused = signed_in(server)
    assert refused.status_code == 503
    assert "cannot be reached" in refused.text
    assert denied(server)[-1] == (f"provider {provider.issuer}", "provider-unavailable")
    server.lab.write("vault/oidc", SECRET).chmod(0o600)
    written = server.log()
    assert SECRET not in written
    assert "id_token" not in written


def test_in_a_browser(server: RunningServer, provider: IdentityProvider) -> None:
    provider.person = person("erik", "readers")
    with chromium() as browser:
        context = browser.new_context(base_url=server.address)
        page = context.new_page()
        page.goto("/datasets")
        assert not faults_for_readers(page)
        page.click("text=Sign in with your institution")
        page.wait_for_url(f"{server.address}/datasets")
        assert page.locator(".who .name").inner_text() == "erik"
        page.click("button[title='Sign out']")
        page.wait_for_url(f"{server.address}/login?out=1")
        assert not faults_for_readers(page)
        page.click("text=Sign out of the provider")
        page.wait_for_url(f"{provider.issuer}/end?**")


def test_a_lab_without_passwords_and_a_provider_that_is_away(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    with identity_provider() as provider:
        settings = LAB.format(issuer=provider.issuer) + "  passwords: false\n"
        lab.write("aliquot.yaml", settings)
        lab.write("vault/oidc", SECRET).chmod(0o600)
        refused = lab.run("serve", "--listen", "0.0.0.0:0", expect=2)
        assert "--url" in refused.stderr
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{free.getsockname()[1]}"
        listen = address.removeprefix("http://")
        words = ("serve", "--listen", listen, "--url", "https://lab.example.org", "--trust-proxy", "127.0.0.0/8")
        with running_server(lab, *words) as server, httpx.Client(base_url=address, timeout=60) as client:
            assert "once:" not in server.log()
            client.headers.update(
                {"host": "lab.example.org", "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
            )
            page = client.get("/login")
            assert 'id="password"' not in page.text
            cookies = Cookies(page)
            word = re.search(r'"X-CSRF-Token": "(\w+)"', page.text)
            assert word
            sent = {"name": "a", "password": "b", "csrf": word[1]}
            refused = client.post("/login", data=sent, headers=cookies.header)
            assert refused.status_code == 403
            assert "Nobody signs in with a password" in refused.text
            there = client.get("/login/provider", headers=cookies.header)
            asked = parse_qs(urlsplit(there.headers["location"]).query)
            assert asked["redirect_uri"] == ["https://lab.example.org/login/provider/back"]
            provider.person = person("ida", "readers")
            back = urlsplit(httpx.get(there.headers["location"]).headers["location"])
            answer = client.get(f"{back.path}?{back.query}", headers=cookies.header)
            assert answer.status_code == 303
            kept = next(each for each in answer.headers.get_list("set-cookie") if "session" in each)
            assert kept.startswith("__Host-aliquot_session=")
            for flag in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
                assert flag in kept
            assert "max-age" in answer.headers["strict-transport-security"]
        with open_lab(lab.folder) as opened, opened.catalogue.read() as connection:
            signed = connection.execute(select(audit.c.place).where(audit.c.who == "ida")).scalars().all()
        assert set(signed) == {"192.0.2.7"}
    with running_server(lab) as server, httpx.Client(base_url=server.address, timeout=60) as client:
        away = client.get("/login/provider")
        assert away.status_code == 503
        assert "cannot be reached" in away.text
        assert away.headers["retry-after"]


class Cookies:
    """Sends cookies that a client would keep to https: what stands before the server has taken that off."""

    def __init__(self, answer: httpx.Response) -> None:
        pairs = [each.split(";")[0] for each in answer.headers.get_list("set-cookie")]
        assert pairs
        assert all("Secure" in each for each in answer.headers.get_list("set-cookie"))
        self.header = {"cookie": "; ".join(pairs)}
