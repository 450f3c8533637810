"""Attempts whose supervisor was killed: found again, watched on under the same limits, collected, never doubled."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from aliquot.executors.container import ContainerExecutor
from aliquot.executors.note import NoteFile
from aliquot.executors.order import Order
from aliquot.executors.process import ProcessExecutor
from aliquot.executors.slot import LeftSlot, Slot, shepherd_lives
from aliquot.executors.turns import Turns
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.seams import Handle
from aliquot.model.state import State
from aliquot.model.task import Cause, Resources, TaskDocument
from executor_place import IMAGE, Place, living_of

MIB = 2**20

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from executor_place import Place
from aliquot.executors.container import ContainerExecutor
from aliquot.executors.process import ProcessExecutor
from aliquot.executors.slot import LeftSlot, shepherd_lives
from aliquot.model.task import task_from_json
kind = {"process": ProcessExecutor, "container": ContainerExecutor}[sys.argv[1]]
place = Place(Path(sys.argv[2]), lambda store, work: kind(store, work, 1, grace=0.5), None)
(handle,) = place.executor.submit([task_from_json(sys.stdin.readline())])
place.until(lambda: place.executor.look([handle])[0].running)
print(handle, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["process", "container"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "process":
        made = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
        yield made
        made.executor.close()
    else:
        request.getfixturevalue("images")
        made = Place(tmp_path, lambda store, work: ContainerExecutor(store, work, 1, grace=0.5), IMAGE)
        yield made
        made.executor.close()
    assert list(made.work.iterdir()) == []


def leave(place: Place, document: TaskDocument) -> Handle:
    """Let another process begin an attempt and kill it while the command runs."""
    other = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, place.executor.name, str(place.work.parent), str(Path(__file__).parent.parent)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdin
    assert other.stdout
    other.stdin.write(document.to_json() + "\n")
    other.stdin.flush()
    handle = Handle(other.stdout.readline().strip())
    assert handle
    assert place.executor.take_over() == []
    other.kill()
    other.communicate()
    return handle


def again(place: Place, document: TaskDocument) -> Handle:
    (left,) = place.executor.take_over()
    assert (left.task, left.fence, left.key) == (document.task, document.fence, document.key)
    (handle,) = place.executor.submit([replace(document, fence=document.fence + 1)])
    return handle


def test_a_running_command_is_watched_on_and_not_started_again(place: Place, tmp_path: Path) -> None:
    go = "out/go"
    command = f"echo begun >> $OUT/journal; echo hello; while [ ! -e {go} ]; do sleep 0.02; done; echo 5 > $OUT/five"
    document = place.document(command)
    dead = leave(place, document)
    handle = again(place, document)
    place.until(lambda: place.executor.look([handle])[0].running)
    (folder,) = tmp_path.glob("work/*/0/task/out")
    (folder / "go").touch()
    outcome = place.outcome(handle)
    assert outcome.state is State.COMPLETE, outcome.message
    assert (outcome.task, outcome.fence) == (document.task, document.fence + 1)
    assert place.content(outcome, "/journal") == b"begun\n"
    assert place.content(outcome, "/five") == b"5\n"
    assert place.bytes_of(outcome, outcome.stdout) == b"hello\n"
    assert outcome.usage.wall > 0
    assert outcome.started_at < outcome.ended_at
    assert living_of(dead) == []
    assert place.executor.take_over() == []


def test_what_has_ended_meanwhile_is_collected(place: Place, tmp_path: Path) -> None:
    document = place.document("sleep 1; echo begun >> $OUT/journal; echo oops >&2; exit 3")
    dead = leave(place, document)
    notes = NoteFile(tmp_path / "work" / dead.split(":")[1] / "0")
    place.until(lambda: (found := notes.read()) is not None and found.ended)
    notes.close()
    outcome = place.outcome(again(place, document))
    assert (outcome.state, outcome.cause, outcome.exit_code) == (State.EXECUTOR_ERROR, Cause.USER, 3)
    assert outcome.tail == "oops"
    assert living_of(dead) == []


@pytest.mark.parametrize(
    "more", ["true", "head -c 400000 /dev/zero > $OUT/large", "echo '{\"n\": 1}' > $OUT/exports.json"]
)
def test_results_that_nobody_was_there_to_take_stay_and_are_collected(place: Place, tmp_path: Path, more: str) -> None:
    document = place.document(f'sleep 1; cp "$READS" "$OUT/copy"; {more}', {"in/reads/a": b"1234"})
    dead = leave(place, document)
    notes = NoteFile(tmp_path / "work" / dead.split(":")[1] / "0")
    place.until(lambda: (found := notes.read()) is not None and found.ended)
    notes.close()
    outcome = place.outcome(again(place, document))
    assert outcome.state is State.COMPLETE, outcome.message
    assert place.content(outcome, "/copy") == b"1234"
    assert living_of(dead) == []


WAITING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from executor_place import Place
from aliquot.executors.process import ProcessExecutor
from aliquot.model.task import task_from_json
place = Place(Path(sys.argv[1]), lambda store, work: ProcessExecutor(store, work, 1), None)
place.run("true")
handles = place.executor.submit([task_from_json(sys.stdin.readline()) for _ in range(2)])
place.until(lambda: any(sighting.running for sighting in place.executor.look(handles)))
print(handles[0], flush=True)
sys.stdin.read()
"""


def test_what_only_waited_for_its_turn_is_not_an_attempt(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
    documents = [place.document("sleep 300", task=number) for number in (101, 102)]
    other = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(tmp_path), str(Path(__file__).parent.parent)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdin
    assert other.stdout
    other.stdin.write("".join(document.to_json() + "\n" for document in documents))
    other.stdin.flush()
    owner = other.stdout.readline().split(":")[1]
    place.until(lambda: len(list(tmp_path.glob(f"work/{owner}/*/task/task.json"))) == 2)
    place.until(lambda: len(list(tmp_path.glob(f"work/{owner}/*/shepherd.log"))) == 2)
    other.kill()
    other.communicate()
    (left,) = place.executor.take_over()
    assert left.task in {document.task for document in documents}
    place.executor.close()


def test_limits_hold_for_what_was_left(place: Place) -> None:
    document = place.document("sleep 300", resources=Resources(time=3.0))
    leave(place, document)
    began = time.monotonic()
    outcome = place.outcome(again(place, document))
    assert outcome.cause is Cause.TIMEOUT, outcome.message
    assert time.monotonic() - began < 20


def test_memory_is_limited_for_what_was_left(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
    command = "sleep 2; x=$(head -c 300000000 /dev/zero | tr '\\000' a); sleep 60"
    document = place.document(command, resources=Resources(memory=100 * MIB))
    leave(place, document)
    outcome = place.outcome(again(place, document))
    assert outcome.cause is Cause.OOM, outcome.message
    place.executor.close()


def test_what_was_left_can_be_canceled(place: Place) -> None:
    document = place.document("sleep 300")
    dead = leave(place, document)
    handle = again(place, document)
    place.executor.cancel([handle])
    assert place.outcome(handle).cause is Cause.CANCELED
    place.until(lambda: living_of(dead) == [])


def test_what_nobody_wants_is_ended(place: Place) -> None:
    document = place.document("sleep 300 & sleep 300")
    dead = leave(place, document)
    (left,) = place.executor.take_over()
    assert place.executor.take_over() == [left]
    place.executor.drop([left.task])
    place.until(lambda: living_of(dead) == [])
    assert place.executor.take_over() == []


def test_another_key_is_another_attempt(place: Place) -> None:
    document = place.document("echo $ALIQUOT_TASK > $OUT/mark; sleep 300")
    dead = leave(place, document)
    place.executor.take_over()
    changed = replace(document, fence=2, key=place.document("").key, command="echo $ALIQUOT_TASK > $OUT/mark")
    (handle,) = place.executor.submit([changed])
    outcome = place.outcome(handle)
    assert place.content(outcome, "/mark") == f"{document.task}-2\n".encode()
    place.executor.close()
    assert living_of(dead) == []


def test_a_lost_shepherd_is_a_lost_attempt(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
    (handle,) = place.executor.submit([place.document("sleep 300 & sleep 300")])
    place.until(lambda: place.executor.look([handle])[0].running)
    (note,) = [found for each in tmp_path.glob("work/*/*/note") if (found := NoteFile(each.parent).read())]
    os.kill(note.shepherd, signal.SIGKILL)
    outcome = place.outcome(handle)
    assert (outcome.state, outcome.cause) == (State.SYSTEM_ERROR, Cause.LOST)
    assert living_of(handle) == []
    assert place.run("true").state is State.COMPLETE
    place.executor.close()


ALONE = """
import sys
from pathlib import Path
from aliquot.executors.slot import Order, Slot
from aliquot.executors.turns import Turns
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.task import task_from_json
place = Path(sys.argv[1])
directory = WorkingDirectory(place / "task", place)
slot = Slot(place, (directory.stdout, directory.stderr), Turns(1), patience=0.1)
slot.run(Order(task_from_json(sys.argv[2]), "/bin/sleep", ["sleep", "4321.5"], {}))
"""


def test_a_shepherd_that_stays_alone_ends_its_command(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1), None)
    folder = tmp_path / "place"
    other = subprocess.Popen([sys.executable, "-c", ALONE, str(folder), place.document("").to_json()])
    place.until((folder / "note").exists)
    left = LeftSlot(folder)
    place.until(lambda: left.since() is not None)
    other.kill()
    other.wait()
    note = left.wait()
    assert (note.exit_code, note.ended_for) == (137, "alone")
    place.until(lambda: not shepherd_lives(note))
    left.close()
    place.executor.close()


@pytest.mark.parametrize(("seconds", "kept"), [(0.0, True), (3600.0, False)])
def test_results_of_a_long_command_stay_in_their_place_until_they_are_collected(
    tmp_path: Path, seconds: float, kept: bool
) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1), None)
    folder = tmp_path / "place"
    directory = WorkingDirectory(folder / "task", folder)
    slot = Slot(folder, (directory.stdout, directory.stderr), Turns(1))
    order = Order(place.document(""), "/bin/sh", ["sh", "-c", "echo dear > out/r"], {}, files=[], gathers=seconds)
    answer = slot.run(order)
    slot.settle()
    left = LeftSlot(folder)
    note = left.note()
    assert (note is not None and note.exit_code == 0) is kept
    assert (folder / "task" / "out" / "r").exists() is kept
    assert (answer.files is None) is kept
    left.close()
    slot.close()
    place.executor.close()


def test_nothing_is_found_again_after_the_machine_was_started_anew(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
    document = place.document("sleep 300")
    dead = leave(place, document)
    (lock,) = [path for path in place.work.glob("*.lock") if not path.name.startswith(f"{os.getpid()}-")]
    lock.write_text("\nanother-boot")
    assert place.executor.take_over() == []
    for pid in living_of(dead):
        # Its shepherd may be quicker.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    place.executor.close()
