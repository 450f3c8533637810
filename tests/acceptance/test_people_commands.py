"""People, tokens, projects and the audit through the real command line."""

import gzip
import json
import sqlite3

import pytest

from lab_folder import LabFolder

PLATE = "well,sample,absorbance\nA1,blank,0.05\nB1,control,0.55\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> LabFolder:
    folder = tmp_path_factory.mktemp("people") / "lab"
    LabFolder(folder.parent).run("init", "lab")
    lab = LabFolder(folder)
    with (folder / "aliquot.yaml").open("a") as file:
        file.write("projects: [blue]\n")
    lab.run("apply")
    lab.write("plate-1.csv", PLATE)
    lab.write("odd.bin", b"\0\1")
    return lab


def test_accounts_from_invitation_to_the_end(lab: LabFolder) -> None:
    told = lab.run("user", "add", "root", "--role", "administrator")
    assert told.stdout.startswith("root is administrator.\n/welcome/")
    assert lab.json("user", "add", "vera", "--role", "technician", "--project", "blue")["roles"] == {
        "blue": "technician"
    }
    assert "no project 'blu'; did you mean 'blue'?" in lab.run(
        "user", "role", "vera", "viewer", "--project", "blu", expect=3
    ).stderr  # fmt: skip
    assert lab.run("user", "role", "vera", "viewer").stdout == "vera is viewer; technician in blue now.\n"
    assert lab.run("user", "role", "vera", "none").stdout == "vera is technician in blue now.\n"
    assert "one for the whole lab" in lab.run(
        "user", "role", "vera", "administrator", "--project", "blue", expect=2
    ).stderr  # fmt: skip
    assert "last administrator" in lab.run("user", "disable", "root", expect=4).stderr
    lab.run("user", "disable", "vera")
    assert [each["disabled_at"] is None for each in lab.json("user", "list")] == [True, False]
    lab.run("user", "enable", "vera")
    assert lab.json("project", "members", "blue") == [
        {"name": "root", "role": "administrator"}, {"name": "vera", "role": "technician"},
    ]  # fmt: skip
    assert lab.json("user", "invite", "vera")["link"].startswith("/welcome/")
    assert "Nobody is signed in." in lab.run("user", "sessions").stderr
    assert "quarantine.release" in lab.run("user", "rights").stdout


def test_tokens_are_shown_once(lab: LabFolder) -> None:
    lab.run("user", "add", "tom", "--role", "technician", "--project", "blue")
    made = lab.json(
        "token", "create", "plate reader", "--user", "tom", "--scope", "dataset.ingest", "--project", "blue"
    )
    assert made["word"].startswith("aliquot_")
    assert "may not do hub.query" in lab.run(
        "token", "create", "x", "--user", "tom", "--scope", "hub.query", expect=2
    ).stderr  # fmt: skip
    assert made["word"] not in lab.run("token", "list").stdout + lab.run("admin", "audit", "list", "--json").stdout
    lab.run("token", "revoke", str(made["id"]))
    assert lab.json("token", "list") == []
    assert len(lab.json("token", "list", "--all")) == 1
    assert lab.run("token", "revoke", "99", expect=3).stderr


def test_what_the_command_line_changes_is_in_the_audit(lab: LabFolder) -> None:
    lab.run("ingest", "plates", "plate-1.csv")
    lab.run("ingest", "plates", "odd.bin", expect=1)
    lab.run("dataset", "tag", "plates", "good")
    lab.run("quarantine", "reject", "1", "--because", "not ours")
    number = lab.json("run", "start", "summary")["run"]
    lab.run("run", "priority", str(number), "5")
    lab.run("run", "cancel", str(number))
    lab.run("dataset", "remove", "plates", "plate-1.csv", "--because", "wrong")
    lab.run("project", "move", "plates", "blue")
    lab.run("sweep", "--yes")
    rows = lab.json("admin", "audit", "search", "--who", "tester", "--limit", "500")
    said = [(each["action"], each["subject"], each["project"]) for each in rows]
    for expected in [
        ("pipeline.publish", "definitions", "lab"), ("dataset.ingest", "dataset plates", "lab"),
        ("dataset.tag", "dataset plates", "lab"), ("quarantine.reject", "quarantine 1", "lab"),
        ("run.start", f"run {number}", "lab"), ("run.prioritise", f"run {number}", "lab"),
        ("run.cancel", f"run {number}", "lab"), ("dataset.remove", "dataset plates", "lab"),
        ("dataset.move", "dataset plates", "blue"), ("lab.sweep", "store", "lab"),
    ]:  # fmt: skip
        assert expected in said
    (rejected,) = lab.json("admin", "audit", "search", "not ours")
    assert rejected["after"] == {"state": "REJECTED", "because": "not ours"}
    assert rejected["before"]["path"] == "/odd.bin"
    assert lab.run("admin", "audit", "show", str(rejected["number"])).stdout.count("not ours") == 1
    assert {each["project"] for each in lab.json("project", "list") if each["datasets"]} == {"blue"}
    assert "@" in rejected["place"]


def test_the_audit_is_proved_in_the_lab_and_from_an_export(lab: LabFolder) -> None:
    assert "follow each other" in lab.run("admin", "audit", "verify").stdout
    assert lab.json("admin", "audit", "verify")["anchored"] > 0
    for name in ("audit.jsonl", "audit.jsonl.gz"):
        exported = lab.json("admin", "audit", "export", name)
        assert lab.json("admin", "audit", "verify", name)["digest"] == exported["digest"]
    lab.run("admin", "audit", "export", "audit.jsonl", expect=4)
    rows = (lab.folder / "audit.jsonl").read_text().splitlines()
    lab.write("altered.jsonl", "\n".join([rows[0].replace("tester", "nobody"), *rows[1:]]))
    assert "row 1: it was altered" in lab.run("admin", "audit", "verify", "altered.jsonl", expect=6).stdout
    lab.write("cut.jsonl.gz", gzip.compress("\n".join(rows).encode())[:-30])
    lab.run("admin", "audit", "verify", "cut.jsonl.gz", expect=2)
    lab.write("other.jsonl", json.dumps([1]))
    lab.run("admin", "audit", "verify", "other.jsonl", expect=2)
    lab.run("admin", "audit", "search", "--since", "yesterday", expect=2)


def test_rows_cut_from_the_catalogue_are_missed_by_the_store(lab: LabFolder) -> None:
    lab.run("admin", "audit", "verify")
    with sqlite3.connect(lab.folder / ".aliquot" / "catalogue.db") as connection:
        connection.execute("DROP TRIGGER audit_no_delete")
        connection.execute("DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)")
    told = lab.run("admin", "audit", "verify", expect=6)
    assert "the store remembers this row, and it is gone" in told.stdout
    assert "Compare it with an export or a backup" in told.stderr
