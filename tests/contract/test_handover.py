"""A folder in which a shepherd and its supervisor work in turns is clean for each command, whatever came before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.executors.note import NoteFile
from aliquot.executors.process import ProcessExecutor
from aliquot.model.state import State
from aliquot.model.task import Cause
from executor_place import Place

LARGE = b"1" * 300_000


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
    yield made
    made.executor.close()
    assert list(made.work.iterdir()) == []


LITTER = "echo 1 > left; mkdir -p tmp/a/b out/c in2 in/x/y; touch tmp/a/f in/x/y/z; ln -s / in/all; chmod 0 tmp/a"
SEEN = 'ls -A . in in/* tmp bundle > "$OUT/seen"'


def seen(place: Place, name: str, content: bytes) -> list[str]:
    outcome = place.run(f'{SEEN}; cp "${name.upper()}" "$OUT/copy"', {f"in/{name}/file": content})
    assert outcome.state is State.COMPLETE, outcome.tail
    assert [each.path for each in outcome.outputs] == ["/copy", "/seen"]
    assert place.content(outcome, "/copy") == content
    lines = place.content(outcome, "/seen").decode().splitlines()
    return sorted(line for line in lines if line and not line.endswith(":"))


def test_each_finds_nothing_of_the_others(place: Place) -> None:
    expected = ["bundle", "file", "in", "out", "task.json", "tmp"]
    for name, content in (("a", b"1"), ("b", LARGE), ("c", b"2"), ("c", LARGE), ("c", b"3"), ("c", b"4"), ("d", LARGE)):
        assert seen(place, name, content) == sorted([*expected, name])
        place.run(LITTER, {"in/x/w": content})


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (f"{LITTER}; echo noise; exit 3", Cause.USER),
        (f"{LITTER}; kill -9 $$", Cause.USER),
        (f"{LITTER}; ln -s / out/link", Cause.USER),
        (f"{LITTER}; echo '{{}}' > out/exports.json", None),
        ("rm -rf out; ln -s / out", Cause.USER),
        ('cd /; rm -rf "$HOME"', Cause.USER),
        ("rm -rf in tmp bundle task.json; mkdir task.json; touch tmp task.json/x", None),
        (("no-such-program",), Cause.USER),
        ("head -c 400000 /dev/zero > $OUT/large", None),
    ],
)
def test_a_command_that_does_not_end_as_most_do_leaves_nothing(
    place: Place, command: str | tuple[str, ...], cause: Cause | None
) -> None:
    expected = ["bundle", "file", "in", "one", "out", "task.json", "tmp"]
    assert seen(place, "one", b"1") == expected
    for _ in range(2):
        assert place.run(command).cause is cause
    assert seen(place, "one", b"2") == expected


def test_nothing_stays_in_a_place_whose_results_were_taken_up(place: Place, tmp_path: Path) -> None:
    assert place.run("echo 1 > $OUT/a; echo 2 > tmp/b", {"in/one/a": b"1"}).state is State.COMPLETE
    (folder,) = tmp_path.glob("work/*/0/task")
    place.until(lambda: [path.name for path in folder.rglob("*") if path.is_file()] == ["task.json"])
    notes = NoteFile(folder.parent)
    place.until(lambda: notes.read() is None)
    notes.close()
