"""The parts of the executors that need no process."""

import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aliquot.blobs import open_store
from aliquot.executors import captured
from aliquot.executors.attempt import Attempt, AttemptFailed, Verdict
from aliquot.executors.captured import CapturedLog, tail
from aliquot.executors.collect import collect_outputs, read_exports
from aliquot.executors.command import arguments, environment, find_program
from aliquot.executors.conclusions import exit_verdict, spawn_verdict
from aliquot.executors.note import Note
from aliquot.executors.order import Order
from aliquot.executors.owner import Owner, dead_owners, end_leftovers
from aliquot.executors.process_runner import conclude
from aliquot.executors.watch import Seen, Watch
from aliquot.executors.working_directory import WorkingDirectory, remove, write_outcome
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, digest_bytes
from aliquot.model.seams import Handle
from aliquot.model.state import State
from aliquot.model.task import (
    Cause,
    Outcome,
    OutputFile,
    Resources,
    TaskDocument,
    TaskFile,
    Usage,
    outcome_from_json,
    task_from_json,
)
from waiting import until

DOCUMENT = TaskDocument(
    key=EMPTY,
    task=7,
    fence=3,
    name="step",
    command=("cp", "$A", "$OUT"),
    store="memory:",
    environment={"PATH": "/opt/bin", "N": "1"},
    places={"OUT": "out", "A": "in/a", "ALL": "."},
    files=(TaskFile("in/a/ü", Location(EMPTY, 4, EMPTY, 9)),),
    resources=Resources(2.0, 5, None, 1.5),
    network=True,
)


def attempt() -> Attempt:
    return Attempt(Handle("process:x:7-3"), DOCUMENT)


def test_documents_survive_json() -> None:
    assert task_from_json(DOCUMENT.to_json()) == DOCUMENT
    assert json.loads(DOCUMENT.to_json())["files"][0]["blob"]["offset"] == 9
    outcome = Outcome(
        7,
        3,
        State.EXECUTOR_ERROR,
        Cause.OOM,
        137,
        "m",
        (OutputFile("/ü", EMPTY, 1),),
        {"a": [None]},
        EMPTY,
        None,
        "t",
        (Location(EMPTY, 1),),
        Usage(1.0, 2.0, 3),
        4.0,
        5.0,
        "sha256:0",
    )
    assert outcome_from_json(outcome.to_json()) == outcome


def test_the_document_decides_over_what_the_executor_sets() -> None:
    values = environment(DOCUMENT, "/w", "/bin", "me")
    assert values == {
        "HOME": "/w",
        "TMPDIR": "/w/tmp",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PATH": "/opt/bin",
        "N": "1",
        "OUT": "/w/out",
        "A": "/w/in/a",
        "ALL": "/w",
        "ALIQUOT_TASK": "7-3",
        "ALIQUOT_OWNER": "me",
    }


@pytest.mark.parametrize("bad", [{"A=B": "1"}, {"": "1"}, {"B": "\0"}, {"B\0": "1"}])
def test_impossible_variables(bad: dict[str, str]) -> None:
    with pytest.raises(AttemptFailed) as failure:
        environment(replace(DOCUMENT, environment=bad), "/w", "/bin", "me")
    assert failure.value.verdict.cause is Cause.USER


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("$A", "1 2"),
        ("${A}", "1 2"),
        ("x$A/y", "x1 2/y"),
        ("${a}b", "*b"),
        ("$$A", "$A"),
        ("$$$A", "$1 2"),
        ("$a $1 $ $(id) `id`", "$a $1 $ $(id) `id`"),
        ("^a$", "^a$"),
        ("", ""),
    ],
)
def test_expansion(element: str, value: str) -> None:
    assert arguments(("x", element), {"A": "1 2", "a": "*"}) == ["x", value]


def test_values_are_not_expanded_again() -> None:
    assert arguments(("x", "$A"), {"A": "$B ${B} $$", "B": "no"}) == ["x", "$B ${B} $$"]


def test_an_empty_list_is_no_command() -> None:
    with pytest.raises(AttemptFailed):
        arguments((), {})


def test_programs_are_found_in_order(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").touch(0o755)
    (tmp_path / "a" / "tool").chmod(0o644)
    (tmp_path / "a" / "other").mkdir()
    path = f"{tmp_path}/a:{tmp_path}/b"
    if os.geteuid() != 0:
        assert find_program("tool", path) == f"{tmp_path}/b/tool"
    assert find_program("./tool", path) == "./tool"
    with pytest.raises(AttemptFailed, match="other"):
        find_program("other", path)


def test_a_short_log_is_bytes(tmp_path: Path) -> None:
    log = CapturedLog(tmp_path / "log")
    assert log.content() is None
    assert log.last_lines() == ""
    os.write(log.handle, b"one\ntwo\n")
    assert log.content() == b"one\ntwo\n"
    assert log.last_lines() == "one\ntwo"
    log.clear()
    assert log.content() is None
    log.close()
    assert not (tmp_path / "log").exists()


def test_a_long_log_keeps_head_and_end_and_gives_the_disk_back(tmp_path: Path) -> None:
    log = CapturedLog(tmp_path / "log")
    block = b"x" * 2**20
    most = 0
    os.write(log.handle, b"first")
    for _ in range(160):
        os.write(log.handle, block)
        log.trim()
        most = max(most, os.fstat(log.handle).st_blocks * 512)
    os.write(log.handle, b"last")
    content = log.content()
    assert isinstance(content, Path)
    kept = content.read_bytes()
    assert kept.startswith(b"firstxx")
    assert kept.endswith(b"xxlast")
    assert captured.HEAD + captured.END < len(kept) < captured.HEAD + captured.END + 100
    dropped = int(kept.split(b"[... ")[1].split()[0])
    assert dropped == 160 * 2**20 + 9 - captured.HEAD - captured.END
    assert most < captured.HEAD + captured.END + 12 * 2**20
    log.clear()
    assert list(tmp_path.iterdir()) == [tmp_path / "log"]
    log.close()


def test_the_tail_is_for_people(tmp_path: Path) -> None:
    printed, complained = CapturedLog(tmp_path / "o"), CapturedLog(tmp_path / "e")
    os.write(complained.handle, b"10%\r20%\r100%\r\n\x00\xff\x1b[31mred\n" + b"y" * 5000)
    lines = tail(printed, complained).split("\n")
    assert lines == ["100%", "\ufffd\ufffd\ufffd[31mred", "y" * 2000]
    os.write(printed.handle, b"".join(b"%d\n" % number for number in range(100)))
    both = tail(printed, complained).split("\n")
    assert both[:2] == ["standard output:", "80"]
    assert both[21:23] == ["standard error:", "100%"]


def test_outputs_are_sorted_and_stored(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "2").write_bytes(b"two")
    (tmp_path / "b-").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"x" * 200_000)
    (tmp_path / "exports.json").write_text("{}")
    store = open_store("memory:")
    batch = store.batch()
    found = collect_outputs(attempt(), str(tmp_path), batch, gone=False)
    assert [(each.path, each.size) for each in found] == [("/a", 200_000), ("/b-", 0), ("/b/c/2", 3)]
    stored = {location.digest: location for location in batch.flush()}
    assert store.read(stored[found[0].digest]) == b"x" * 200_000
    assert store.read(stored[digest_bytes(b"two")]) == b"two"


def test_a_socket_is_no_output(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(AttemptFailed, match="out/s is a socket"):
            collect_outputs(attempt(), str(tmp_path), open_store("memory:").batch(), gone=False)


@pytest.mark.parametrize("kind", ["link", "folder", "large", "deep"])
def test_exports_of_a_wrong_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "exports.json"
    if kind == "link":
        path.symlink_to("/etc/hostname")
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.write_text(f'"{"x" * 2**20}"')
    else:
        path.write_text("[" * 100_000)
    with pytest.raises(AttemptFailed, match=r"exports\.json"):
        read_exports(str(tmp_path))


def test_a_condemned_attempt_keeps_its_first_verdict() -> None:
    condemned = attempt()
    assert condemned.condemn(Cause.TIMEOUT, "too long")
    assert not condemned.condemn(Cause.CANCELED, "canceled")
    assert condemned.verdict == Verdict(Cause.TIMEOUT, "too long")
    with pytest.raises(AttemptFailed, match="too long"):
        condemned.check()


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "exit code 1"), (126, "execute permission"), (127, "not found"), (139, "SIGSEGV"), (255, "exit code 255")],
)
def test_exit_codes_in_words(tmp_path: Path, code: int, words: str) -> None:
    verdict = exit_verdict(code, str(tmp_path))
    assert verdict
    assert verdict.cause is Cause.USER
    assert words in verdict.message
    assert exit_verdict(0, str(tmp_path)) is None


def test_why_a_program_does_not_start() -> None:
    assert "too" not in spawn_verdict(OSError(2, "No such file or directory"), "x").message
    assert spawn_verdict(OSError(8, "Exec format error"), "x").cause is Cause.USER
    assert spawn_verdict(OSError(11, "Resource temporarily unavailable"), "x").cause is Cause.OURS


@pytest.mark.parametrize("path", ["in", "/in/a", "in/../a", "out/a", "in//a", "in/./a", ""])
def test_files_go_to_in_and_bundle_alone(tmp_path: Path, path: str) -> None:
    store = open_store("memory:")
    bad = replace(DOCUMENT, files=(TaskFile(path, store.put_bytes(b"1")),))
    directory = WorkingDirectory(tmp_path / "task", tmp_path)
    with pytest.raises(AttemptFailed, match="fault of Aliquot"):
        directory.lay_out(Attempt(Handle("h"), bad), store)
    directory.close()


def test_a_bundled_script_can_be_executed(tmp_path: Path) -> None:
    store = open_store("memory:")
    files = (TaskFile("bundle/a/b.sh", store.put_bytes(b"1")), TaskFile("in/x/y", store.put_bytes(b"2" * 300_000)))
    directory = WorkingDirectory(tmp_path / "task", tmp_path)
    directory.lay_out(Attempt(Handle("h"), replace(DOCUMENT, files=files)), store)
    assert os.access(tmp_path / "task" / "bundle" / "a" / "b.sh", os.X_OK)
    assert (tmp_path / "task" / "in" / "x" / "y").read_bytes() == b"2" * 300_000
    assert task_from_json((tmp_path / "task" / "task.json").read_text()).task == 7
    directory.close()
    assert list(tmp_path.iterdir()) == []


def test_remove_follows_no_link_and_bears_any_depth(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    top = tmp_path / "top"
    top.mkdir()
    (top / "link").symlink_to(kept)
    place = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    remove(str(top))
    remove(str(top))
    assert not top.exists()
    assert (kept / "file").exists()


def test_an_outcome_replaces_whatever_is_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "outcome.json.draft").mkdir()
    (tmp_path / "outcome.json").write_text("old")
    write_outcome(str(tmp_path), "new")
    assert (tmp_path / "outcome.json").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_living_owner_is_left_alone(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    (owner.folder / "file").touch()
    assert dead_owners(tmp_path) == []
    assert end_leftovers(tmp_path) == 0
    assert (owner.folder / "file").exists()
    owner.release()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_dead_owner_is_removed(tmp_path: Path) -> None:
    (tmp_path / "1-2-abc.lock").touch()
    (tmp_path / "1-2-abc" / "0").mkdir(parents=True)
    (tmp_path / "unrelated").touch()
    end_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["unrelated"]


@pytest.mark.parametrize(
    ("cause", "wall", "stays"), [(Cause.TIMEOUT, 1.4, False), (Cause.TIMEOUT, 1.5, True), (Cause.CANCELED, 1.4, True)]
)
def test_a_verdict_that_came_after_an_end_in_time(cause: Cause, wall: float, stays: bool) -> None:
    attempt = Attempt(Handle("h"), DOCUMENT)
    attempt.condemn(cause, "That is over.")
    note = Note(7, 3, "k", "", "", 1, 1, exit_code=0, wall=wall)
    conclude(attempt, note, Seen(0, None))
    assert (attempt.verdict is not None) == stays
    # Whoever looks at the clock after that is too late as well.
    assert attempt.condemn(Cause.TIMEOUT, "That is over.") is False
    assert (attempt.verdict is not None) == stays


def test_a_verdict_behind_one_that_did_not_hold_stands() -> None:
    attempt = Attempt(Handle("h"), DOCUMENT)
    attempt.condemn(Cause.TIMEOUT, "That is over.")
    attempt.condemn(Cause.CANCELED, "Somebody canceled it.")
    attempt.ended_after(1.4)
    assert attempt.verdict == Verdict(Cause.CANCELED, "Somebody canceled it.")


def test_what_its_shepherd_ended_for_its_time_took_too_long() -> None:
    attempt = Attempt(Handle("h"), DOCUMENT)
    conclude(attempt, Note(7, 3, "k", "", "", 1, 1, exit_code=137, wall=11.5, ended_for="time"), Seen(0, None))
    assert attempt.verdict
    assert attempt.verdict.cause is Cause.TIMEOUT


def test_limits_hold_though_each_look_takes_long(tmp_path: Path) -> None:
    watch = Watch(grace=60)
    began = time.monotonic()
    place = WorkingDirectory(tmp_path / "task", tmp_path)
    slow, other = Attempt(Handle("slow"), replace(DOCUMENT, resources=Resources(memory=2**40))), attempt()

    def measure(*, exact: bool = False) -> int:
        time.sleep(0.5)
        return int(exact)

    try:
        watch.add(slow, place, measure, lambda: began)
        watch.add(other, place, None, lambda: began)
        until(lambda: other.verdict is not None)
    finally:
        watch.close()
    assert other.verdict
    assert other.verdict.cause is Cause.TIMEOUT


def test_an_order_hands_an_environment_over_as_bytes_whatever_this_process_speaks() -> None:
    document = TaskDocument(digest_bytes(b""), 1, 1, "s/1", "true", "")
    words = Order(document, "/bin/sh", ["sh"], {"A": "€ \udcff"}).words()
    assert words["environment"] == {b"A": "€ ".encode() + b"\xff"}
