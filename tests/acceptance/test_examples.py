"""The example labs as a user would copy them, on real laboratory data, from the inbox to tables and lineage."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_folder import LabFolder
from services import require_service

EXAMPLES = Path(__file__).parents[2] / "examples"

Open = Callable[[str], LabFolder]


@pytest.fixture
def open_example(tmp_path: Path) -> Open:
    def open_(name: str) -> LabFolder:
        shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "inbox"))
        lab = LabFolder(tmp_path / name)
        lab.run("apply")
        return lab

    return open_


def drop(lab: LabFolder, inbox: str, *files: Path) -> None:
    folder = lab.folder / inbox
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)


def rows(lab: LabFolder, sql: str) -> list[dict[str, object]]:
    return lab.json("hub", "query", sql, "--limit", "100000")["rows"]


@pytest.mark.timeout(600)
def test_claims_reproduces_the_control_totals_of_every_file(open_example: Open, shared_data: Path) -> None:
    good = shared_data / "claims" / "good"
    with (good / "CONTROL_TOTALS.csv").open(newline="") as file:
        expected = {row["file"]: row for row in csv.DictReader(file)}
    lab = open_example("claims")
    drop(lab, "inbox/billing", *(good / name for name in expected))
    summary = lab.up()
    assert summary["sources"]["billing"]["taken"] == 70
    found = {row["file"]: row for row in rows(lab, "SELECT * FROM control_totals")}
    assert set(found) == set(expected)
    for name, row in expected.items():
        assert found[name]["rows"] == int(row["rows"]), name
        assert found[name]["amount_cents"] == round(float(row["amount_total"]) * 100), name
        assert found[name]["sha256"] == row["sha256"], name
    sums = rows(
        lab, "SELECT kind, sum(rows) AS n, sum(amount_cents) AS cents FROM control_totals GROUP BY 1 ORDER BY 1"
    )
    assert [(row["n"], row["cents"]) for row in sums] == [(379, 79_499_507), (643, -79_585_555)]

    assert lab.up()["runs"] == []
    again = lab.json("pipeline", "plan", "postings")
    assert {each["action"] for each in again} == {"skip"}

    tree = lab.run("lineage", "balances", "--json").stdout
    assert "HSP1_charge_202301.csv" in tree
    assert '"billing"' in tree or "billing@1" in tree


@pytest.mark.timeout(600)
def test_one_more_claims_file_runs_its_own_tasks_and_bad_rows_are_split_off(
    open_example: Open, shared_data: Path
) -> None:
    good = shared_data / "claims" / "good"
    lab = open_example("claims")
    drop(lab, "inbox/billing", good / "HSP1_charge_202301.csv", good / "HSP2_charge_202301.csv")
    lab.up()
    text = (good / "HSP1_charge_202302.csv").read_text().splitlines()
    broken = text[1].split(",")
    broken[1], broken[10] = "C000000000000", "minus one"
    lab.write("inbox/billing/HSP1_charge_202302.csv", "\n".join([*text, ",".join(broken)]) + "\n")
    summary = lab.up(expect=1)
    assert summary["sources"]["billing"]["quarantined"] == 1
    steps = {each["step"]: each for each in lab.json("run", "show", "2")["steps"]}
    ran = {name: each["ran"] for name, each in steps.items()}
    assert ran == {"control": 1, "parse": 1, "balances": 1}
    held = lab.json("quarantine", "list")
    assert len(held) == 1
    shown = lab.run("quarantine", "show", str(held[0]["id"])).stdout
    assert "minus one" in shown
    assert "charge_amount" in shown
    (count,) = rows(lab, "SELECT rows AS n FROM control_totals WHERE file LIKE '%HSP1_charge_202302%'")
    assert count["n"] == len(text) - 1


@pytest.mark.timeout(600)
def test_imaging_keeps_the_total_ion_current_in_both_modes(open_example: Open, shared_data: Path) -> None:
    data = shared_data / "imaging-ms"
    lab = open_example("imaging-ms")
    drop(lab, "inbox", *data.glob("Example_*.i*"))
    lab.run("run", "list")
    lab.up()
    found = {row["measurement"]: row for row in rows(lab, "SELECT * FROM quality")}
    assert set(found) == {"Example_Continuous", "Example_Processed"}
    for row in found.values():
        assert f"{row['tic']:.7f}" == "1450.2994112"
        assert (row["pixels"], row["missing_pixels"]) == (9, 0)
    number = lab.json("run", "start", "ion-images", "-p", "spectra_per_part=2", "--publish", "--wait")
    shown = lab.json("run", "show", str(number["run"]))
    steps = {each["step"]: each for each in shown["steps"]}
    assert steps["pick"]["datums"] == 10
    for row in rows(lab, "SELECT tic FROM quality"):
        assert f"{row['tic']:.7f}" == "1450.2994112"
    lab.run("dataset", "export", "images", str(lab.folder / "pictures"))
    pictures = list((lab.folder / "pictures").rglob("*.png"))
    assert pictures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


@pytest.mark.timeout(600)
def test_metagenome_counts_what_the_truth_says(open_example: Open, shared_data: Path) -> None:
    require_service(shutil.which("kraken2") is not None, "kraken2")
    data = shared_data / "metagenome"
    lab = open_example("metagenome")
    drop(lab, "inbox", *(data / "kraken2_db").iterdir())
    lab.up()
    drop(lab, "inbox", data / "input_v1.tar")
    lab.up()
    with (data / "truth.csv").open(newline="") as file:
        expected = {(row["sample"], int(row["taxid"])): int(row["read_pairs"]) for row in csv.DictReader(file)}
    counts = {(row["sample"], row["taxid"]): row["read_pairs"] for row in rows(lab, "SELECT * FROM abundance")}
    assert {key: n for key, n in counts.items() if n} == expected


def test_every_example_is_a_lab_that_applies(open_example: Open) -> None:
    for name in ("claims", "imaging-ms", "metagenome"):
        lab = open_example(name)
        assert "nothing has changed" in lab.run("apply").stdout.lower() + lab.run("apply").stderr.lower()
        assert json.loads(lab.run("apply", "--dry-run", "--json").stdout)
