"""References to secrets, the vaults behind them, and texts from which secrets have been taken out."""

import pickle

import pytest

from aliquot.model.errors import Damaged, Invalid, Missing
from aliquot.model.lab_config import VaultSettings
from aliquot.secrets import (
    EnvironmentVault,
    FolderVault,
    Secret,
    open_vaults,
    redact,
    references_in,
    resolve,
    reveal,
    secrets_in,
)


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "secrets"
    home.mkdir()
    _put(home, "hub", "s3cret pass/word\n")
    return home


def _put(home, name, text, mode=0o600):
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)


def test_references_are_found_where_they_stand():
    text = "postgresql://${env:DB_USER}:${secret:local/db/hub.pw}@host"
    found = references_in(text)
    assert [(each.vault, each.name, text[each.start : each.end]) for each in found] == [
        (None, "DB_USER", "${env:DB_USER}"),
        ("local", "db/hub.pw", "${secret:local/db/hub.pw}"),
    ]
    assert [str(each) for each in found] == ["${env:DB_USER}", "${secret:local/db/hub.pw}"]


@pytest.mark.parametrize("text", ["", "$HOME", "${HOME}", "${other:x}", "$secret:a/b", "{secret:a/b}", "${secretly}"])
def test_what_is_no_reference_stays_as_it_is(text):
    assert references_in(text) == []
    assert resolve(text, {}) == text


@pytest.mark.parametrize(
    "text",
    ["${secret:hub}", "${secret:/hub}", "${secret:a/}", "${secret:a/../b}", "${secret:A/b}", "${env:}", "${env:a-b}"],
)
def test_a_reference_that_is_written_wrongly_is_invalid(text):
    with pytest.raises(Invalid, match="is not a reference; write") as caught:
        references_in(f"x{text}y")
    assert caught.value.code == "secret-reference-malformed"
    assert caught.value.facts["reference"] == text


def test_a_value_is_resolved_in_its_shape_and_secrets_stay_hidden(folder):
    document = {"url": "pg://u:${secret:local/hub}@${env:HOST}", "plain": ["${env:HOST}", 5, None, True], "n": {}}
    found = resolve(document, {"local": FolderVault(folder)}, {"HOST": "db"})
    assert found["plain"] == ["db", 5, None, True]
    assert isinstance(found["url"], Secret)
    assert "s3cret" not in repr(found)
    assert "s3cret" not in f"{found['url']}"
    assert reveal(found) == {"url": "pg://u:s3cret%20pass%2Fword@db", "plain": ["db", 5, None, True], "n": {}}
    assert secrets_in(found) == [found["url"]]
    assert document["url"] == "pg://u:${secret:local/hub}@${env:HOST}"


def test_a_value_that_looks_like_a_reference_is_not_resolved_again(folder):
    _put(folder, "trap", "${env:HOST}")
    assert reveal(resolve("${secret:local/trap}", {"local": FolderVault(folder)}, {"HOST": "db"})) == "${env:HOST}"


def test_what_is_missing_is_said_with_its_place(folder):
    vaults = {"local": FolderVault(folder)}
    with pytest.raises(Missing) as caught:
        resolve({"a": [{"b": "${secret:local/nothing}"}]}, vaults, where="aliquot.yaml:3:8")
    assert caught.value.code == "secret-missing"
    assert caught.value.message.startswith("aliquot.yaml:3:8: a.0.b: There is no secret 'nothing' in ")
    assert caught.value.facts["reference"] == "${secret:local/nothing}"
    with pytest.raises(Missing, match="There is no vault 'other' \\(there is: local\\)"):
        resolve("${secret:other/x}", vaults)
    with pytest.raises(Missing, match="The environment variable NOT_SET is not set"):
        resolve("${env:NOT_SET}", vaults, {})


def test_an_empty_environment_variable_is_set(folder):
    assert resolve("<${env:EMPTY}>", {}, {"EMPTY": ""}) == "<>"


def test_the_environment_vault_has_a_prefix():
    vault = EnvironmentVault("ALIQUOT_", {"ALIQUOT_PW": "x"})
    assert vault.get("PW") == "x"
    with pytest.raises(Missing, match="ALIQUOT_OTHER is not set"):
        vault.get("OTHER")


def test_the_folder_vault_refuses_what_others_can_read(folder):
    _put(folder, "open", "x", 0o640)
    with pytest.raises(Invalid, match="can be read by others; run: chmod 600"):
        FolderVault(folder).get("open")
    _put(folder, "readonly", "x", 0o400)
    assert FolderVault(folder).get("readonly") == "x"


def test_the_folder_vault_never_leaves_its_folder(folder, tmp_path):
    _put(tmp_path, "outside", "x")
    (folder / "link").symlink_to(tmp_path / "outside")
    for name in ("link", "../outside", str(tmp_path / "outside"), ".", "missing"):
        with pytest.raises(Missing):
            FolderVault(folder).get(name)


def test_the_folder_vault_follows_the_links_of_a_kubernetes_mount(folder):
    _put(folder, "..2026_01/token", "abc\r\n")
    (folder / "..data").symlink_to("..2026_01")
    (folder / "token").symlink_to("..data/token")
    assert FolderVault(folder).get("token") == "abc"


def test_a_secret_that_is_no_text_or_too_large_is_refused(folder):
    _put(folder, "binary", b"\xff\xfe\x00")
    with pytest.raises(Damaged, match="is not UTF-8"):
        FolderVault(folder).get("binary")
    _put(folder, "large", "x" * ((1 << 20) + 1))
    with pytest.raises(Invalid, match="larger than 1 MiB"):
        FolderVault(folder).get("large")


def test_only_the_last_line_end_is_not_part_of_a_secret(folder):
    _put(folder, "key", "-----BEGIN-----\nabc\n\n")
    assert FolderVault(folder).get("key") == "-----BEGIN-----\nabc\n"


def test_vaults_are_built_from_the_lab_s_settings(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_PW", "y")
    settings = {"local": VaultSettings(folder="./secrets"), "process": VaultSettings(environment="LAB_")}
    vaults = open_vaults(settings, tmp_path)
    assert vaults["local"].get("hub") == "s3cret pass/word"
    assert vaults["process"].get("PW") == "y"


def test_secrets_are_redacted_in_every_form_that_a_log_may_show():
    secrets = [
        Secret("s3cret pass/word"),
        Secret("s3cret"),
        Secret("first-long-line\nshort\nsecond-long-line"),
        Secret(""),
    ]
    text = "s3cret pass/word s3cret%20pass/word s3cret%20pass%2Fword s3cret+pass%2Fword first-long-line short s3cret"
    hidden = "[secret]"
    assert redact(text, secrets) == f"{hidden} {hidden} {hidden} {hidden} {hidden} short {hidden}"
    assert redact("nothing here", secrets) == "nothing here"


def test_a_secret_shows_itself_to_nobody_but_reveal():
    secret = Secret("abc")
    assert (repr(secret), str(secret), f"{secret}", f"{[secret]}") == ("[secret]",) * 3 + ("[[secret]]",)
    assert secret == Secret("abc")
    assert secret != Secret("abd")
    assert secret != "abc"
    assert {secret: 1}[Secret("abc")] == 1
    with pytest.raises(TypeError, match="keep its reference"):
        pickle.dumps(secret)
