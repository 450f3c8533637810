"""The real `aliquot`, typed into a shell: a day in the template's lab, and every way of typing it wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_folder import ALIQUOT, LabFolder

GOOD = "well,sample,absorbance\nA1,blank,0.05\nB1,control,0.55\n"
BAD = "well,sample,absorbance\nA1,blank,0.05\nZ9,x,0.1\nA2,,7.5\n"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> LabFolder:
    """Give a lab in which one plate has been taken in, summarised and loaded, and one was refused."""
    folder = tmp_path_factory.mktemp("day") / "my-lab"
    lab = LabFolder(folder.parent)
    told = lab.run("init", "my-lab")
    assert "aliquot apply" in told.stderr
    lab = LabFolder(folder)
    assert "3 new" in lab.run("apply").stdout
    lab.write("inbox/plate-1.csv", GOOD)
    lab.write("inbox/plate-2.csv", BAD)
    lab.write("inbox/notes.txt", "hello\n")
    told = lab.run("up", "--until-idle", expect=1)
    assert "plate-1.csv  accepted into plates@1" in told.stderr
    assert "quarantined" in told.stderr
    assert "COMPLETE" in told.stdout
    return lab


def test_a_second_apply_changes_nothing(day: LabFolder) -> None:
    assert day.run("apply").stdout == "Nothing has changed; 3 definitions are registered.\n"
    assert {each["change"] for each in day.json("apply")} == {"unchanged"}


def test_up_with_nothing_to_do_ends_well(day: LabFolder) -> None:
    summary = day.up()
    assert summary["runs"] == []
    assert summary["failed"] is False


def test_datasets(day: LabFolder) -> None:
    assert [each["name"] for each in day.json("dataset", "list")] == ["plates", "summaries"]
    assert day.json("dataset", "show", "plates")["files"] == 1
    assert [each["path"] for each in day.json("dataset", "files", "summaries@1")] == ["/plate-1.csv"]
    assert day.json("dataset", "log", "plates")[0]["provenance"]["intake"] == "plates"
    assert "plates" in day.run("dataset", "list").stdout
    assert "/plate-1.csv" in day.run("dataset", "show", "summaries").stdout


def test_a_version_is_exported_as_it_came(day: LabFolder) -> None:
    day.run("dataset", "export", "plates@1", "exported")
    assert (day.folder / "exported" / "plate-1.csv").read_text() == GOOD
    assert "target-not-empty" in day.run("dataset", "export", "plates@1", "exported", expect=4).stderr


def test_tags_name_versions(day: LabFolder) -> None:
    day.run("dataset", "tag", "plates@1", "approved")
    assert day.json("dataset", "show", "plates@approved")["number"] == 1
    day.run("dataset", "tag", "plates", "approved", "--remove")
    assert "tag-missing" in day.run("dataset", "show", "plates@approved", expect=3).stderr


def test_everything_verifies(day: LabFolder) -> None:
    assert day.json("dataset", "verify", "plates")["sound"] is True
    assert "as it was written" in day.run("admin", "verify").stdout


def test_the_catalogue_can_be_rebuilt(day: LabFolder) -> None:
    # Other tests make datasets of their own meanwhile; these two are there from the beginning.
    assert day.json("admin", "rebuild", "--into", "sqlite:///again.db")["datasets"] >= 2
    assert "catalogue-not-empty" in day.run("admin", "rebuild", "--into", "sqlite:///again.db", expect=4).stderr


def test_the_hub_answers(day: LabFolder) -> None:
    (table,) = day.json("hub", "tables")
    assert (table["table"], table["rows"]) == ("sample_means", 2)
    found = day.json("hub", "query", "SELECT sample, mean FROM sample_means ORDER BY sample")
    assert found["rows"] == [{"sample": "blank", "mean": 0.0}, {"sample": "control", "mean": 0.5}]
    csv = day.run("hub", "query", "SELECT sample, wells FROM sample_means ORDER BY sample", "--csv").stdout
    assert csv == "sample,wells\nblank,1\ncontrol,1\n"
    limited = day.run("hub", "query", "SELECT sample FROM sample_means", "--limit", "1", "--csv")
    assert len(limited.stdout.splitlines()) == 2
    assert "--limit" in limited.stderr
    assert "query-refused" in day.run("hub", "query", "DROP TABLE sample_means", expect=2).stderr
    assert day.json("hub", "load") == []


def test_a_result_leads_back_to_its_arrival(day: LabFolder) -> None:
    tree = day.json("lineage", "summaries:plate-1.csv", "--back")
    task = tree["back"][0]
    source = task["back"][0]
    arrival = source["back"][0]
    assert (task["kind"], source["name"], arrival["kind"]) == ("task", "plates@1:/plate-1.csv", "arrival")
    assert list(task["facts"]["code"]) == ["scripts/summarise.py"]
    told = day.run("lineage", "summaries:plate-1.csv").stdout
    assert "source plates: /plate-1.csv" in told
    assert "sample_means  2 rows in the hub" in told


def test_a_file_leads_on_to_the_rows_of_tables(day: LabFolder) -> None:
    def nodes(node: dict[str, object]) -> list[tuple[str, object]]:
        below = [each for way in ("back", "forward") for one in node[way] for each in nodes(one)]  # type: ignore[attr-defined]
        return [(str(node["kind"]), node["facts"]), *below]

    found = nodes(day.json("lineage", "plates:plate-1.csv", "--forward"))
    assert ("rows", {"rows": 2}) in found
    assert {"task", "file", "table"} <= {kind for kind, _ in found}


def test_lineage_does_without_a_hub_that_is_broken(day: LabFolder) -> None:
    hub = day.folder / "hub.db"
    whole = hub.read_bytes()
    hub.write_bytes(b"no database at all" * 100)
    try:
        told = day.run("lineage", "plates:plate-1.csv", "--forward")
        assert "summaries@1:/plate-1.csv" in told.stdout
        assert "Rows of tables are left out" in told.stderr
        assert "hub-damaged" in day.run("hub", "tables", expect=6).stderr
    finally:
        hub.write_bytes(whole)
    assert day.json("hub", "tables")[0]["rows"] == 2


def test_receipts_say_what_became_of_a_file(day: LabFolder) -> None:
    decisions = {each["path"]: each["decision"] for each in day.json("receipts", "list", "--source", "plates")}
    assert decisions["/plate-1.csv"] == "accepted"
    (found,) = [each for each in day.json("receipts", "find", "plate-1.csv") if each["source"] == "plates"]
    by_digest = day.json("receipts", "find", found["digest"][7:19])
    assert found["id"] in [each["id"] for each in by_digest]
    same = day.write("somewhere/else.csv", GOOD)
    assert found["id"] in [each["id"] for each in day.json("receipts", "find", "--file", str(same))]


def test_plans_say_what_would_run_and_why(day: LabFolder) -> None:
    (same,) = day.json("pipeline", "plan", "summary")
    assert same == {
        "step": "summarise",
        "datum": {"plate": ["/plate-1.csv"]},
        "action": "skip",
        "reason": same["reason"],
    }
    (changed,) = day.json("pipeline", "plan", "pipelines/summary.yaml", "-p", "blank=control")
    assert (changed["action"], changed["reason"]) == ("run", "parameter blank changed")
    assert "1 datum, 1 would run." in day.run("pipeline", "plan", "summary", "-p", "blank=control").stdout
    assert day.json("run", "list", "--pipeline", "summary", "--state", "running") == []


def test_pipelines_are_shown(day: LabFolder) -> None:
    assert day.json("pipeline", "list")[0]["pipeline"] == "summary"
    assert day.json("pipeline", "show", "summary")["definition"]["pipeline"] == "summary"
    assert "summarise" in day.run("pipeline", "show", "summary").stdout


def test_a_run_with_another_parameter_says_why_it_ran(day: LabFolder, tmp_path: Path) -> None:
    run = day.json("run", "start", "summary", "-p", "blank=control", "--input", "plates=plates@1", "--wait")
    assert (run["state"], run["steps"][0]["ran"]) == ("COMPLETE", 1)
    number = str(run["run"])
    why = day.json("run", "why", number, "summarise/1")
    assert [each["part"] for each in why["differences"]] == ["parameter blank"]
    assert "- blank" in day.run("run", "why", number, "summarise/1").stdout
    day.run("run", "outputs", number, "--to", str(tmp_path / "out"))
    assert (tmp_path / "out" / "summaries" / "plate-1.csv").is_file()
    assert day.json("run", "outputs", number)["outputs"]["summaries"][0]["path"] == "/plate-1.csv"
    assert day.json("run", "logs", number)[0]["exit_code"] == 0
    assert day.json("dataset", "list")[1]["head"] == 1, "a run that a person starts publishes only when asked to"
    assert "run-complete" in day.run("run", "retry", number, expect=4).stderr


def test_quarantine_speaks_to_a_technician(day: LabFolder) -> None:
    held = {each["path"]: each["id"] for each in day.json("quarantine", "list", "--source", "plates", "--all")}
    told = day.run("quarantine", "show", str(held["/plate-2.csv"])).stdout
    assert "absorbance" in told
    assert "7.5" in told
    assert "must be at most 6" in told
    document = day.json("quarantine", "show", str(held["/plate-2.csv"]))
    assert {(each["row"], each["field"]) for each in document["findings"]} == {
        (3, "well"),
        (4, "sample"),
        (4, "absorbance"),
    }


def test_quarantine_is_decided_once_and_with_a_reason(day: LabFolder, tmp_path: Path) -> None:
    refused = day.write("given/plate-9.csv", BAD)
    told = day.run("ingest", "tried", str(refused), "--type", "plate", expect=1)
    assert "in quarantine" in told.stdout
    held = day.json("quarantine", "list", "--source", "hand:tried")
    number = str(held[0]["id"])
    day.run("quarantine", "export", number, str(tmp_path / "look.csv"))
    assert (tmp_path / "look.csv").read_text() == BAD
    assert "--because" in day.run("quarantine", "release", number, expect=2).stderr
    released = day.json("quarantine", "release", number, "--because", "the reader was set to OD")
    assert (released["dataset"], released["version"]) == ("tried", 1)
    assert "quarantine-decided" in day.run("quarantine", "reject", number, "--because", "no", expect=4).stderr


def test_ingest_takes_folders_and_says_what_it_did(day: LabFolder) -> None:
    day.write("given-all/a.txt", "a")
    day.write("given-all/b/\x1b[31mred.txt", "b")
    assert day.json("ingest", "given", "given-all")["added"] == 2
    files = day.run("dataset", "files", "given").stdout
    assert "\x1b" not in files
    assert r"/b/\x1b[31mred.txt" in files
    assert "changed nothing" in day.run("ingest", "given", "given-all").stdout
    removed = day.json("dataset", "remove", "given", "/b", "--because", "not ours")
    assert (removed["version"], removed["removed"]) == (2, 1)
    (gone,) = day.json("dataset", "diff", "given@1", "2")
    assert gone["after"] is None


def test_a_failed_datum_is_parked_and_shown(day: LabFolder) -> None:
    day.write(
        "pipelines/broken.yaml",
        "pipeline: broken\n"
        "inputs: {files: {dataset: failing}}\n"
        "steps:\n"
        "  one:\n"
        '    inputs: {file: {from: files, glob: "/*"}}\n'
        "    command: 'echo looking at \"$FILE\"; echo no shutter >&2; test -e nothing'\n",
    )
    try:
        warned = day.run("up", "--until-idle").stderr
        assert "aliquot apply" in warned
        day.run("apply")
        day.write("given-bad/f.txt", "x")
        day.run("ingest", "failing", "given-bad")
        run = day.json("run", "start", "broken", "--wait", expect=1)
        number = str(run["run"])
        assert run["state"] == "EXECUTOR_ERROR"
        shown = day.run("run", "show", number).stdout
        assert "one/1" in shown
        assert "no shutter" in shown
        logs = day.run("run", "logs", number, "one/1").stdout
        assert "no shutter" in logs
        assert "looking at" in logs
        again = day.json("run", "retry", number)
        assert again["retry_of"] == run["run"]
        day.run("run", "cancel", str(again["run"]))
        assert day.json("run", "show", str(again["run"]))["state"] == "CANCELED"
        assert day.up()["runs"] == []
        assert "run-ended" in day.run("run", "cancel", number, expect=4).stderr
    finally:
        (day.folder / "pipelines" / "broken.yaml").unlink()
        day.run("apply")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["dataset", "show", "nothing"], 3, "dataset-missing"),
        (["dataset", "show", "PLATES"], 2, "name-refused"),
        (["dataset", "show", "plates@99"], 3, "version-missing"),
        (["dataset", "show", "plates:/nothing"], 3, "file-missing"),
        (["dataset", "files", "plates:/nothing"], 3, "file-missing"),
        (["run", "show", "999"], 3, "run-missing"),
        (["run", "why", "1", "summarise/77"], 3, "task-missing"),
        (["run", "start", "nothing"], 3, "pipeline-missing"),
        (["run", "start", "summary", "-p", "nothing=1"], 2, "parameter-unknown"),
        (["run", "start", "summary", "-p", "blank"], 2, "pair-malformed"),
        (["run", "start", "summary", "--input", "nothing=plates"], 2, "input-unknown"),
        (["run", "list", "--state", "DONE"], 2, "state-unknown"),
        (["pipeline", "plan", "pipelines/nothing.yaml"], 3, "definition-missing"),
        (["quarantine", "show", "999"], 3, "quarantine-missing"),
        (["ingest", "plates", "no-such-file"], 3, "file-missing"),
        (["ingest", "plates", "aliquot.yaml", "--type", "nothing"], 3, "type-missing"),
        (["schema", "nothing"], 3, "definition-kind-unknown"),
        (["lineage", "plates:/nothing"], 3, "file-missing"),
        (["receipts", "find"], 2, "find-what"),
        (["--lab", "/"], 2, "usage"),
    ],
)
def test_what_cannot_be_done_says_why(day: LabFolder, words: list[str], code: int, said: str) -> None:
    told = day.run(*words, expect=code)
    assert told.stdout == ""
    assert f"[{said}]" in told.stderr.replace("\n", "")
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["dataset", "show", "plate"], "did you mean 'plates'?"),
        (["lineage", "plates:/plate1.csv"], "did you mean /plate-1.csv?"),
        (["hub", "query", "SELECT * FROM sample_mean"], "did you mean 'sample_means'?"),
        (["hub", "query", "SELECT sampel FROM sample_means"], "did you mean 'sample'?"),
        (["hub", "query", "SELECT 1; SELECT 2"], "Only a single SELECT"),
        (["run", "show", "first"], '"first" is not a whole number'),
    ],
)
def test_a_slip_is_answered_with_what_may_have_been_meant(day: LabFolder, words: list[str], meant: str) -> None:
    told = day.run(*words, expect=None).stderr
    assert meant in " ".join(told.split())


def test_errors_are_json_when_asked(day: LabFolder) -> None:
    told = day.run("dataset", "show", "nothing", "--json", expect=3)
    assert told.stdout == ""
    assert json.loads(told.stderr)["code"] == "dataset-missing"


def test_a_broken_definition_is_told_with_its_place(day: LabFolder) -> None:
    path = day.write("pipelines/wrong.yaml", "pipeline: wrong\nsteps:\n  one:\n    inputs: {}\n    comand: x\n")
    try:
        told = day.run("apply", expect=2).stderr
        assert "pipelines/wrong.yaml:5:5" in told
        assert "'command'" in told
        assert json.loads(day.run("apply", "--json", expect=2).stderr)["facts"]["problems"][0]["line"] > 0
        # What is broken in the folder stops nothing that is registered.
        assert "pipelines/wrong.yaml:5:5" in day.run("up", "--until-idle").stderr
        day.run("dataset", "list")
    finally:
        path.unlink()


def test_a_dry_run_shows_the_difference_and_registers_nothing(day: LabFolder) -> None:
    path = day.folder / "types" / "plate.yaml"
    before = path.read_text()
    path.write_text(before.replace("maximum: 6", "maximum: 5"))
    try:
        told = day.run("apply", "--dry-run").stdout
        assert "maximum: 5" in told
        assert "1 changed" in told
        assert {each["change"] for each in day.json("apply", "--dry-run")} == {"changed", "unchanged"}
    finally:
        path.write_text(before)
    assert "Nothing has changed" in day.run("apply").stdout


def test_a_lab_is_named_by_option_or_environment(day: LabFolder, tmp_path: Path) -> None:
    for words, environment in (
        (["--lab", str(day.folder)], day.environment),
        ([], {**day.environment, "ALIQUOT_LAB": str(day.folder)}),
    ):
        done = subprocess.run(
            [ALIQUOT, "dataset", "list", "--json", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout)[0]["name"]


def test_a_lab_is_made_where_one_stands(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path / "here")
    lab.folder.mkdir(exist_ok=True)
    script = f"{ALIQUOT} init . && {ALIQUOT} apply && mkdir out && cd out && {ALIQUOT} schema lab > lab.json"
    done = subprocess.run(
        ["/bin/sh", "-ec", script], cwd=lab.folder, env=lab.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "cd " not in done.stderr + done.stdout
    assert json.loads((lab.folder / "out/lab.json").read_text())["title"]


def test_init_keeps_off_what_is_there(day: LabFolder) -> None:
    assert "folder-not-empty" in day.run("init", ".", expect=4).stderr


def test_a_reader_that_leaves_is_no_error(day: LabFolder) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{ALIQUOT} schema pipeline | head -n 1; {ALIQUOT} schema lab | :"],
        cwd=day.folder, env=day.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_up_ends_cleanly_when_it_is_told_to(day: LabFolder, sign: signal.Signals) -> None:
    log = day.folder / "up.log"
    with log.open("wb") as written:
        started = subprocess.Popen([ALIQUOT, "up"], cwd=day.folder, env=day.environment, stdout=written, stderr=written)
    try:
        deadline = time.monotonic() + 60
        while "is up" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        # It says so before its loop begins; the signal must be taken at any time.
        started.send_signal(sign)
        assert started.wait(60) == 0
    finally:
        started.kill()
        started.wait()
    assert "The lab is down" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_log_is_json_lines_when_asked(day: LabFolder) -> None:
    done = subprocess.run(
        [ALIQUOT, "up", "--until-idle", "--json"],
        cwd=day.folder, env={**day.environment, "ALIQUOT_LOG": "json", "ALIQUOT_LOG_LEVEL": "debug"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["failed"] is False
    assert all(json.loads(line)["level"] for line in done.stderr.splitlines())


def test_help_and_version_are_quick_and_import_little(tmp_path: Path) -> None:
    for words in (["--version"], ["--help"]):
        code = (
            "import sys; from aliquot.cli import main; sys.argv = ['aliquot', *sys.argv[1:]]; main(); "
            "print(*(name for name in ('sqlalchemy', 'polars', 'pydantic', 'obstore') if name in sys.modules), "
            "file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            env=os.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.split() == []
    assert "quarantine" in done.stdout
