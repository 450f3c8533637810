"""What people at the keyboard meet every day: lists that say what they leave out, names half remembered, hints."""

from pathlib import Path

import pytest

from lab_folder import LabFolder

GOOD = "well,sample,absorbance\nA1,blank,0.05\nB1,control,0.55\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> LabFolder:
    """Give a lab into which five files were given by hand, and two that are no plates came to a source."""
    folder = tmp_path_factory.mktemp("desk")
    lab = LabFolder(folder)
    lab.environment["COLUMNS"] = "80"
    lab.run("init", ".")
    lab.run("apply")
    for number in range(5):
        lab.write(f"given/Plate_{number}.csv", GOOD)
    lab.run("ingest", "heap", "given", "--unchecked")
    lab.write("given/more.csv", GOOD)
    lab.run("ingest", "heap", "given/more.csv", "--unchecked")
    lab.write("inbox/one.txt", "one\n")
    lab.write("inbox/two.txt", "two\n")
    lab.run("up", "--until-idle", expect=1)
    for _ in range(2):
        lab.run("run", "start", "summary")
    return lab


@pytest.mark.parametrize(
    ("words", "limit", "there_are"),
    [
        (("receipts", "list", "--source", "hand:heap"), 2, 6),
        (("receipts", "find", ".csv"), 4, 6),
        (("run", "list"), 1, 2),
        (("quarantine", "list"), 1, 2),
        (("dataset", "log", "heap"), 1, 2),
    ],
)
def test_a_list_that_is_cut_off_says_so(desk: LabFolder, words: tuple[str, ...], limit: int, there_are: int) -> None:
    told = desk.run(*words, "--limit", str(limit))
    assert f"… the newest {limit} of {there_are}; --limit shows more." in told.stderr
    cut = desk.run(*words, "--limit", str(limit), "--json")
    assert f"the newest {limit} of {there_are}" in cut.stderr
    assert "--limit" not in desk.run(*words, "--limit", str(there_are)).stderr
    assert len(desk.json(*words, "--limit", str(there_are + 5))) == there_are


def test_a_limit_is_at_least_one_line(desk: LabFolder) -> None:
    assert "limit" in desk.run("receipts", "list", "--limit", "0", expect=2).stderr.lower()
    assert "limit" in desk.run("run", "list", "--limit=-1", expect=2).stderr.lower()


def test_a_file_is_found_by_part_of_its_name(desk: LabFolder) -> None:
    assert len(desk.json("receipts", "find", "plate_")) == 5
    assert [each["path"] for each in desk.json("receipts", "find", "TE_3")] == ["/Plate_3.csv"]
    assert desk.json("receipts", "find", "plate%") == []


def test_a_whole_name_finds_no_more_than_that(desk: LabFolder, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "another-one.txt").write_text("2")
    desk.run("ingest", "whole", str(tmp_path), "--unchecked")
    assert {each["path"] for each in desk.json("receipts", "find", "one.txt")} == {"/one.txt"}
    assert {each["path"] for each in desk.json("receipts", "find", "ONE.txt")} == {"/one.txt"}
    assert {each["path"] for each in desk.json("receipts", "find", "Ne.txt")} == {"/one.txt", "/another-one.txt"}


def test_a_name_of_digits_is_found_although_it_looks_like_a_digest(desk: LabFolder, tmp_path: Path) -> None:
    (tmp_path / "20261120.csv").write_text(GOOD)
    desk.run("ingest", "dated", str(tmp_path / "20261120.csv"), "--unchecked")
    assert [each["path"] for each in desk.json("receipts", "find", "20261120")] == ["/20261120.csv"]


def test_up_before_anything_is_applied_says_what_to_do_first(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.run("init", ".")
    lab.write("inbox/plate-1.csv", GOOD)
    told = lab.run("up", "--until-idle", expect=1)
    assert told.stderr.count("aliquot apply") == 1
    assert "Nothing is applied yet" in told.stderr
    assert "file type" not in told.stderr + told.stdout
    assert "Nothing is applied yet" in told.stdout


def test_up_says_once_what_a_file_waits_for_and_the_summary_keeps_it(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.run("init", ".")
    config = lab.folder / "aliquot.yaml"
    config.write_text(
        config.read_text().replace("settled: {quiet: 2s}", "settled: {quiet: 0.1s, marker: '{path}.done'}")
    )
    lab.run("apply")
    lab.write("inbox/plate-1.csv", GOOD)
    told = lab.run("up", "--until-idle")
    sentence = "plates: /plate-1.csv waits for the marker /plate-1.csv.done, which says that it is complete"
    assert told.stderr.count(sentence) == 1
    assert told.stdout.count(sentence) == 1
    assert "Nothing was left to do but to wait." in told.stdout
    (waits,) = lab.up()["sources"]["plates"]["waiting"].values()
    assert waits["kind"] == "marker"
    lab.write("inbox/plate-1.csv.done", "")
    assert lab.up()["sources"]["plates"]["waiting"] == {}


def test_a_pipeline_that_differs_from_what_is_applied_is_told(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.run("init", ".")
    lab.run("apply")
    file = lab.folder / "pipelines/summary.yaml"
    applied = file.read_text()
    commands = (("pipeline", "plan", "summary"), ("run", "start", "summary"))
    assert not any("apply" in lab.run(*words).stderr for words in commands)
    file.write_text(applied + "priority: 3\n")
    for words in commands:
        assert "pipelines/summary.yaml differs from what is applied" in lab.run(*words, "--json").stderr
    assert "apply" not in lab.run("pipeline", "plan", "pipelines/summary.yaml").stderr
    file.write_text("pipeline: summary\nstepps: {}\n")
    assert "pipelines/summary.yaml has mistakes" in lab.run("pipeline", "plan", "summary").stderr
