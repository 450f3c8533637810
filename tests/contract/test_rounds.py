"""Rounds: several small attempts that a slot makes in one go lose nothing of what each has alone."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from aliquot.blobs.layout import key_of
from aliquot.executors.note import NoteFile
from aliquot.executors.order import Order
from aliquot.executors.parcel import receive, send
from aliquot.executors.process import ProcessExecutor
from aliquot.executors.slot import Slot
from aliquot.executors.turns import Turns
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.seams import Handle
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, Resources, TaskDocument
from executor_place import Place, living_of

COUNT = 24


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
    yield made
    made.executor.close()
    assert list(made.work.iterdir()) == []


def warm_up(place: Place) -> None:
    """Let the executor learn that commands are short and go as usual, until it makes several in one go."""
    where = 'cp "$A" "$OUT/a"; pwd > "$OUT/pwd"'

    def several() -> bool:
        outcomes = together(place, [place.document(where, {"in/a/x": b"%d" % n}) for n in range(COUNT)])
        assert {outcome.state for outcome in outcomes} == {State.COMPLETE}
        return any(place.content(outcome, "/pwd").endswith(b"/task-1\n") for outcome in outcomes)

    place.until(several)


def together(place: Place, documents: Sequence[TaskDocument]) -> list[Outcome]:
    return [place.outcome(handle) for handle in place.executor.submit(documents)]


def journal(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]


def noted(path: Path, number: int, more: str) -> str:
    return f'echo {number} >> {path}; cp "$A" "$OUT/a"; {more}'


def documents(place: Place, path: Path, special: dict[int, str], **more: object) -> list[TaskDocument]:
    """Make documents of which each writes its number into a journal, and some do something else as well."""
    return [place.document(noted(path, n, special.get(n, "true")), {"in/a/x": b"%d" % n}, **more) for n in range(COUNT)]


def check_usual(place: Place, outcomes: Sequence[Outcome], special: dict[int, str]) -> None:
    """See that all that did nothing special went well."""
    for number, outcome in enumerate(outcomes):
        if number not in special:
            assert outcome.state is State.COMPLETE, outcome
            assert place.content(outcome, "/a") == b"%d" % number
            assert (outcome.stdout, outcome.stderr) == (None, None)
            assert outcome.usage.wall > 0


def test_each_has_a_clean_folder_of_its_own(place: Place, tmp_path: Path) -> None:
    warm_up(place)
    path = tmp_path / "journal"
    litter = "echo 1 > left; touch tmp/x in/a/y bundle/z; mkdir out/d; touch out/d/f; rm task.json; ls -A . in/* tmp"
    seen = 'found=$(ls -A . in in/* tmp bundle out); echo "$found" > "$OUT/seen"; '
    for _ in range(3):
        path.unlink(missing_ok=True)
        outcomes = together(
            place,
            [
                place.document(f"{seen} {noted(path, n, f'{litter} > /dev/null')}", {"in/a/x": b"%d" % n})
                for n in range(COUNT)
            ],
        )
        check_usual(place, outcomes, {})
        assert sorted(journal(path)) == list(range(COUNT))
        assert len({place.content(outcome, "/seen") for outcome in outcomes}) == 1


ODD = {
    "print": "echo hello",
    "complain": "echo hello >&2",
    "fail": "exit 3",
    "print and fail": "echo hello; exit 3",
    "export": "echo '{\"n\": 1}' > $OUT/exports.json",
    "large": 'head -c 300000 /dev/zero > "$OUT/large"',
    "link": "ln -s / out/link",
    "die": "kill -9 $$",
    "remain": "(setsid sleep 1236.5 &)",
}


@pytest.mark.parametrize("command", ODD.values(), ids=ODD.keys())
def test_what_is_out_of_the_ordinary_is_told_of_its_own_attempt(place: Place, tmp_path: Path, command: str) -> None:
    alone = place.run(noted(tmp_path / "alone", 0, command), {"in/a/x": b"1"})
    warm_up(place)
    special: dict[int, str] = dict.fromkeys((5, 6, 13), command)
    handles = place.executor.submit(documents(place, tmp_path / "journal", special))
    outcomes = [place.outcome(handle) for handle in handles]
    check_usual(place, outcomes, special)
    assert sorted(journal(tmp_path / "journal")) == list(range(COUNT))
    for number in special:
        found = outcomes[number]
        assert (found.state, found.cause, found.exit_code) == (alone.state, alone.cause, alone.exit_code)
        assert (found.stdout, found.stderr, found.exports) == (alone.stdout, alone.stderr, alone.exports)
        assert (found.tail, found.message) == (alone.tail, alone.message)
        assert len(found.outputs) == len(alone.outputs)
        if found.stdout:
            assert place.bytes_of(found, found.stdout) == b"hello\n"
    assert living_of(handles[0]) == []


def test_what_waits_behind_a_long_one_is_made_meanwhile(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 2, grace=0.5), None)
    warm_up(place)
    go = tmp_path / "go"
    special = {3: f"while [ ! -e {go} ]; do sleep 0.02; done"}
    handles = place.executor.submit(documents(place, tmp_path / "journal", special))
    others = [handle for number, handle in enumerate(handles) if number not in special]
    place.until(lambda: all(sighting.outcome for sighting in place.executor.look(others)))
    place.until(lambda: place.executor.look([handles[3]])[0].running)
    assert not place.executor.look([handles[3]])[0].outcome
    go.touch()
    assert place.outcome(handles[3]).state is State.COMPLETE
    assert sorted(journal(tmp_path / "journal")) == list(range(COUNT))
    place.executor.close()


def test_what_a_supervisor_takes_late_is_told_once(place: Place, tmp_path: Path) -> None:
    folder, done = tmp_path / "slot", tmp_path / "done"
    directory = WorkingDirectory(folder / "task", folder)
    slot = Slot(folder, (directory.stdout, directory.stderr), Turns(1))
    # Together more than fits into a socket: its shepherd waits in the middle of the answer while the last one runs.
    large = "for i in 1 2; do head -c 120000 /dev/zero > out/$i; done"
    orders = [
        Order(
            place.document(""), "/bin/sh", ["sh", "-c", command], {"PATH": os.defpath},
            files=[("task.json", 0o644, b"{}")], gathers=10.0,
        ).words()
        for command in (large, large, f"sleep 1.4; touch {done}")
    ]  # fmt: skip
    line = slot._open()  # pyright: ignore[reportPrivateUsage]  # as a supervisor that is kept from reading
    send(line, {"wish": "round", "orders": orders})
    place.until(done.exists)
    answers = [receive(line), receive(line)]
    assert [[each[0] for each in words["ended"]] for words in answers if words] == [[0, 1], [2]]
    slot.close()


def test_a_time_limit_holds_for_each(place: Place, tmp_path: Path) -> None:
    warm_up(place)
    special = {4: "sleep 300"}
    made = documents(place, tmp_path / "journal", special, resources=Resources(time=2.5))
    outcomes = together(place, made)
    check_usual(place, outcomes, special)
    assert outcomes[4].cause is Cause.TIMEOUT
    assert sorted(journal(tmp_path / "journal")) == list(range(COUNT))


def test_cancel_one_that_runs_and_those_that_were_not_begun(place: Place, tmp_path: Path) -> None:
    warm_up(place)
    go, path = tmp_path / "go", tmp_path / "journal"
    special = {2: f"while [ ! -e {go} ]; do sleep 0.02; done"}
    handles = place.executor.submit(documents(place, path, special))
    place.until(lambda: path.exists() and 2 in journal(path))
    canceled = [handles[number] for number in sorted(set(range(COUNT)) - set(journal(path)))[::2]]
    place.executor.cancel(canceled)
    # Those that wait in the same round as the one that runs do not wait for its end.
    assert {place.outcome(handle).state for handle in canceled} == {State.CANCELED}
    assert not place.executor.look([handles[2]])[0].outcome
    go.touch()
    for number, handle in enumerate(handles):
        assert place.outcome(handle).state is (State.CANCELED if handle in canceled else State.COMPLETE), number
    assert sorted(journal(path)) == [number for number in range(COUNT) if handles[number] not in canceled]
    path.unlink()
    again = place.executor.submit(documents(place, path, {2: 'trap "" TERM; while :; do sleep 0.1; done'}))
    place.until(lambda: path.exists() and 2 in journal(path))
    begun = journal(path)
    place.executor.cancel(again)
    for number, handle in enumerate(again):
        state = place.outcome(handle).state
        assert state is State.CANCELED or (number in begun and number != 2 and state is State.COMPLETE), number
    assert journal(path) == begun


def test_withdraw_what_was_given_back(place: Place, tmp_path: Path) -> None:
    warm_up(place)
    go, path = tmp_path / "go", tmp_path / "journal"
    special = {2: f"while [ ! -e {go} ]; do sleep 0.02; done"}
    handles = place.executor.submit(documents(place, path, special))
    taken: set[Handle] = set()

    def withdrawn() -> bool:
        taken.update(place.executor.withdraw(handles[3:]))
        return set(handles[COUNT // 2 :]) <= taken

    place.until(withdrawn)
    go.touch()
    for handle in handles:
        assert handle in taken or place.outcome(handle).state is State.COMPLETE
    assert sorted(journal(path)) == [number for number in range(COUNT) if handles[number] not in taken]


def test_a_shepherd_that_is_killed_costs_the_attempt_that_ran(place: Place, tmp_path: Path) -> None:
    warm_up(place)
    special: dict[int, str] = dict.fromkeys((5, 6, 17), "kill -9 $PPID; sleep 300")
    outcomes = together(place, documents(place, tmp_path / "journal", special))
    check_usual(place, outcomes, special)
    for number in special:
        assert (outcomes[number].state, outcomes[number].cause) == (State.SYSTEM_ERROR, Cause.LOST)
    found = journal(tmp_path / "journal")
    assert set(found) == set(range(COUNT))
    assert [found.count(number) for number in special] == [1, 1, 1]


def test_an_input_that_is_damaged_is_told_of_its_own_attempt(place: Place, tmp_path: Path) -> None:
    warm_up(place)
    made = documents(place, tmp_path / "journal", {})
    location = made[7].files[0].blob
    path = tmp_path / "store" / key_of(location)
    path.chmod(0o600)
    with path.open("r+b") as broken:
        broken.seek(location.offset)
        broken.write(b"X")
    outcomes = together(place, made)
    check_usual(place, outcomes, {7: ""})
    assert (outcomes[7].state, outcomes[7].cause) == (State.SYSTEM_ERROR, Cause.OURS)
    assert location.digest in outcomes[7].message
    assert sorted(journal(tmp_path / "journal")) == [number for number in range(COUNT) if number != 7]


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from executor_place import Place
from aliquot.executors.process import ProcessExecutor
from aliquot.model.task import task_from_json
place = Place(Path(sys.argv[1]), lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
warm = place.executor.submit([place.document("true") for _ in range(40)])
for handle in warm:
    place.outcome(handle)
place.executor.submit([task_from_json(line) for line in sys.stdin])
print("begun", flush=True)
import time
time.sleep(1000)
"""


@pytest.mark.parametrize("at_once", [True, False])
def test_a_round_whose_supervisor_is_killed_goes_on_with_the_one_that_runs_and_begins_no_other(
    place: Place, tmp_path: Path, *, at_once: bool
) -> None:
    go, path = tmp_path / "go", tmp_path / "journal"
    special = {2: f"while [ ! -e {go} ]; do sleep 0.02; done"}
    made = [replace(each, task=each.task + 1000) for each in documents(place, path, special)]
    other = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(Path(__file__).parent.parent)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdin
    assert other.stdout
    other.stdin.write("".join(document.to_json() + "\n" for document in made))
    other.stdin.close()
    assert other.stdout.readline() == "begun\n"
    place.until(lambda: path.exists() and 2 in journal(path))
    # A command may be ahead of the note that tells of it.
    notes = [NoteFile(each.parent) for each in tmp_path.glob("work/*/*/note")]
    place.until(lambda: any(found.task == made[2].task for each in notes if (found := each.read())))
    other.kill()
    other.wait()
    other.stdout.close()
    before = journal(path)
    if at_once:
        go.touch()
    (left,) = place.executor.take_over()
    assert (left.task, left.fence, left.key) == (made[2].task, made[2].fence, made[2].key)
    (handle,) = place.executor.submit([replace(made[2], fence=2)])
    if not at_once:
        place.until(lambda: place.executor.look([handle])[0].running)
        go.touch()
    outcome = place.outcome(handle)
    assert outcome.state is State.COMPLETE, outcome
    assert place.content(outcome, "/a") == b"2"
    assert journal(path) == before
    assert place.executor.take_over() == []
