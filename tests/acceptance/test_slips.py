"""Slips that people make in their first hour, and what they are told."""

from pathlib import Path

import pytest

from lab_folder import LabFolder


@pytest.fixture
def lab(tmp_path: Path) -> LabFolder:
    lab = LabFolder(tmp_path)
    lab.run("init", "lab")
    lab.folder = tmp_path / "lab"
    lab.run("apply")
    return lab


def test_a_plate_in_a_folder_of_the_inbox_is_summarised_as_well(lab: LabFolder) -> None:
    lab.write("inbox/my plates/plate 1.csv", (lab.folder / "example" / "plate-1.csv").read_bytes())
    assert lab.run("up", "--until-idle").returncode == 0
    assert [each["path"] for each in lab.json("dataset", "files", "summaries")] == ["/plate 1.csv"]


def test_a_new_dataset_that_nothing_checks_is_told_with_the_one_that_was_meant(lab: LabFolder) -> None:
    told = lab.run("ingest", "plate", "example/plate-1.csv").stderr
    assert "unchecked" in told
    assert "Did you mean 'plates'?" in told
    assert "unchecked" not in lab.run("ingest", "plates", "example/plate-1.csv").stderr


def test_a_retry_says_that_what_is_applied_now_is_not_what_it_tries(lab: LabFolder) -> None:
    script = lab.folder / "scripts" / "summarise.py"
    good = script.read_text()
    script.write_text("raise SystemExit('broken')\n")
    lab.run("apply")
    lab.run("ingest", "plates", "example/plate-1.csv")
    lab.run("run", "start", "summary", "--wait", expect=1)
    assert "has changed since" not in lab.run("run", "retry", "1", "--wait", expect=1).stderr
    script.write_text(good)
    lab.run("apply")
    told = " ".join(lab.run("run", "retry", "1", "--wait", expect=1).stderr.split())
    assert "aliquot run start summary" in told


def test_a_folder_that_is_not_there_is_told_when_its_source_is_registered(lab: LabFolder) -> None:
    lab.write("aliquot.yaml", (lab.folder / "aliquot.yaml").read_text().replace("./inbox", "./inbx"))
    said = lab.run("apply").stderr
    assert "The source plates watches ./inbx, which is not there; make or mount it" in said
    lab.write("inbx/.keep", "")
    assert "watches" not in lab.run("apply").stderr


def test_the_path_of_a_new_lab_is_told_straight(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    told = LabFolder(tmp_path / "here").run("init", "../there")
    assert str(tmp_path / "there") in told.stdout
    assert ".." not in told.stdout
