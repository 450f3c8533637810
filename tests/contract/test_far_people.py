"""Accounts, tokens and signatures from afar: by a session, since no token may touch them."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from aliquot.access import people, sessions
from aliquot.access.audit_read import Question, entries
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.lab import open_lab
from aliquot.remote import credentials
from far_lab import Far, Said, aliquot, make_lab, served

PASSWORD = "four unrelated words here"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = make_lab(tmp_path_factory.mktemp("far") / "lab")
    settings = folder.folder / "aliquot.yaml"
    settings.write_text(settings.read_text() + "projects: [blue]\napprovals: {quarantine.release: true}\n")
    with served(folder.folder) as far:
        with open_lab(folder.folder) as lab, lab.catalogue.write() as connection:
            for name in ("ada", "root", "sam"):
                if name != "ada":
                    role = Role.SCIENTIST if name == "sam" else Role.ADMINISTRATOR
                    people.add_person(connection, lab.by, name, {EVERYWHERE: role})
                people.set_password(connection, lab.by, name, PASSWORD)
        yield far


@pytest.fixture
def far(shown: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Far:
    for name in ("ALIQUOT_LAB", "ALIQUOT_SERVER", "ALIQUOT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return shown


def typed(monkeypatch: pytest.MonkeyPatch, text: str, *words: str) -> Said:
    """Run a command that reads a password."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text + "\n"))
    return aliquot(*words)


def signed_in(far: Far, monkeypatch: pytest.MonkeyPatch, name: str = "ada") -> None:
    said = typed(monkeypatch, PASSWORD, "login", far.url, "--user", name)
    assert (said.code, f"as {name}" in said.out) == (0, True), said.err


def there(far: Far, *words: str) -> Any:
    said = aliquot(*words, "--json", "--server", far.url)
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_accounts_are_kept_from_afar(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(far, monkeypatch)
    made = there(far, "user", "add", "vera", "--role", "viewer", "--project", "blue", "--title", "Vera")
    assert (made["roles"], made["link"].startswith("/welcome/")) == ({"blue": "viewer"}, True)
    assert httpx.get(far.url + made["link"]).status_code == 200
    assert there(far, "user", "role", "vera", "technician", "--project", "blue")["roles"] == {"blue": "technician"}
    assert there(far, "user", "role", "vera", "none", "--project", "blue")["roles"] == {}
    assert there(far, "user", "role", "vera", "scientist")["roles"] == {"*": "scientist"}
    assert there(far, "user", "invite", "vera")["link"] != made["link"]
    assert there(far, "user", "disable", "vera")["disabled_at"] is not None
    assert there(far, "user", "enable", "vera")["disabled_at"] is None
    assert {"name": "vera", "role": "scientist"} in there(far, "project", "members", "blue")
    here = ("--lab", str(far.folder))
    for words in (("user", "list"), ("token", "list"), ("project", "list"), ("project", "members", "lab"),
                  ("approval", "list"), ("user", "sessions", "vera")):  # fmt: skip
        assert aliquot(*words, "--json", *here).out == aliquot(*words, "--json", "--server", far.url).out, words
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        (row,) = entries(connection, Question(action="people.manage", subject="person vera"), limit=1)
    assert (row.who, row.how) == ("ada", "session")


def test_a_token_is_made_and_ended_from_afar(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(far, monkeypatch)
    made = there(far, "token", "create", "robot", "--user", "sam", "--scope", "run.read", "--project", "blue")
    assert (made["person"], made["project"], made["word"].startswith("aliquot_")) == ("sam", "blue", True)
    asked = {"headers": {"authorization": f"Bearer {made['word']}"}}
    assert httpx.get(f"{far.url}/api/v1/runs", **asked).status_code == 200
    assert made["id"] in [each["id"] for each in there(far, "token", "list", "--user", "sam")]
    assert there(far, "token", "revoke", str(made["id"]))["ended_at"] is not None
    assert httpx.get(f"{far.url}/api/v1/runs", **asked).status_code == 401


def test_no_token_touches_accounts_and_says_what_does(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIQUOT_TOKEN", far.token)
    for words in (("user", "list"), ("user", "add", "eve", "--role", "administrator"), ("user", "disable", "ada"),
                  ("token", "list"), ("token", "create", "x", "--user", "ada", "--scope", "run.read"),
                  ("token", "revoke", "1"), ("user", "sessions", "--end", "1")):  # fmt: skip
        said = aliquot(*words, "--server", far.url)
        assert (said.code, said.out) == (2, ""), words
        assert "aliquot login URL --user NAME" in said.err


def test_a_second_person_signs_from_afar(far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.csv").write_text("well,value\nA1,many\n")
    given = aliquot(
        "ingest", "plates", str(tmp_path / "bad.csv"), "--type", "plate", "--json", "--lab", str(far.folder)
    )
    number = str(json.loads(given.out)["quarantined"][0]["id"])
    signed_in(far, monkeypatch)
    asked = there(far, "quarantine", "release", number, "--because", "it is right")
    assert there(far, "approval", "show", str(asked["id"]))["subject"] == f"quarantine {number}"
    give = ("approval", "give", str(asked["id"]), "--because", "seen", "--server", far.url, "--user")
    own = typed(monkeypatch, PASSWORD, *give, "ada")
    assert (own.code, "approval-own" in own.err) == (2, True)
    other = typed(monkeypatch, PASSWORD, *give, "root")
    assert (other.code, "approval-signer" in other.err) == (2, True)
    signed_in(far, monkeypatch, "root")
    assert typed(monkeypatch, "wrong words here", *give, "root").code == 2
    # The answer may be lost on the way, and the same is sent again.
    headers = credentials.headers_for(credentials.kept_for(far.url) or "") | {"idempotency-key": "signed"}
    wish = {"decision": "approve", "password": PASSWORD, "because": "seen"}
    address = f"{far.url}/api/v1/approvals/{asked['id']}/decide"
    told = [httpx.post(address, json=wish, headers=headers, timeout=60) for _ in range(2)]
    assert [(each.status_code, each.json()["state"]) for each in told] == [(200, "APPROVED")] * 2
    assert told[0].json() == told[1].json()
    again = typed(monkeypatch, PASSWORD, *give, "root")
    assert (again.code, "approval-decided" in again.err) == (4, True)
    assert there(far, "approval", "list") == []
    assert [each["state"] for each in there(far, "approval", "list", "--all")] == ["APPROVED"]


def test_a_session_ends_here_and_there(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(far, monkeypatch, "root")
    kept = credentials.kept_for(far.url)
    assert kept is not None
    assert kept.startswith("session:")
    assert credentials.place().stat().st_mode & 0o077 == 0
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        (mine,) = [each.id for each in sessions.sessions(connection, "root")][:1]
    assert aliquot("logout", far.url).code == 0
    with open_lab(far.folder) as lab, lab.catalogue.read() as connection:
        assert mine not in [each.id for each in sessions.sessions(connection, "root")]
    credentials.keep_token(far.url, kept)
    ended = aliquot("user", "list", "--server", far.url)
    assert (ended.code, "--user NAME" in ended.err) == (2, True)


def test_a_session_that_cannot_be_ended_is_not_forgotten(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(far, monkeypatch, "root")
    kept = credentials.kept_session(far.url)
    assert kept is not None
    nowhere = "http://127.0.0.1:1"
    credentials.keep_session(nowhere, *kept)
    lost = aliquot("logout", nowhere)
    assert (lost.code, "the session lives on there until" in lost.err) == (5, True), lost
    assert credentials.kept_session(nowhere) == kept
    # One that has ended by its own time lives on nowhere.
    credentials.keep_session(nowhere, kept[0], 1.0)
    assert aliquot("logout", nowhere).code == 0
    assert credentials.kept_session(nowhere) is None
    assert aliquot("logout", far.url).code == 0


def test_a_session_goes_before_a_token_and_leaves_it(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.keep_token(far.url, far.token)
    signed_in(far, monkeypatch, "root")
    assert there(far, "user", "list")
    word, _ = credentials.kept_session(far.url) or ("", 0.0)
    # A session that is over by its own time leaves the token to work.
    credentials.keep_session(far.url, word, 1.0)
    assert credentials.token_for(far.url) == far.token
    credentials.keep_session(far.url, "session:over", 1e12)
    over = aliquot("run", "list", "--server", far.url)
    assert (over.code, f"aliquot logout {far.url}" in over.err) == (2, True)
    credentials.keep_session(far.url, word, 1e12)
    said = aliquot("logout", far.url)
    assert (said.code, "signed out" in said.out, credentials.token_for(far.url)) == (0, True, far.token)
    assert aliquot("run", "list", "--server", far.url).code == 0
    assert "forgotten" in aliquot("logout", far.url).out
    assert credentials.token_for(far.url) is None


def test_who_signs_in_is_told_that_the_variable_goes_before(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIQUOT_TOKEN", far.token)
    for typed_in, words in ((PASSWORD, ("--user", "root")), (far.token, ())):
        said = typed(monkeypatch, typed_in, "login", far.url, *words)
        assert (said.code, "ALIQUOT_TOKEN is set" in said.err) == (0, True)
    assert aliquot("logout", far.url).code == 0


def test_signing_in_is_refused_without_the_word_that_ties_it_to_who_asks(far: Far) -> None:
    sent = {"name": "ada", "password": PASSWORD}
    for headers in ({}, {"x-csrf-token": "made up", "cookie": "aliquot_guest=mine"},
                    credentials.headers_of_guest("mine") | {"origin": "https://elsewhere.example"}):  # fmt: skip
        refused = httpx.post(f"{far.url}/api/v1/sessions", json=sent, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, refused.json()["code"])
        assert refused.json()["code"] in {"form-outdated", "other-origin"}
    wrong = httpx.post(
        f"{far.url}/api/v1/sessions", json=sent | {"password": "no"}, headers=credentials.headers_of_guest("mine")
    )
    assert (wrong.status_code, wrong.json()["code"]) == (401, "sign-in-refused")
    assert "set-cookie" not in wrong.headers
