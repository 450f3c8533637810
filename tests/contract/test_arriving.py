"""Many files of a folder are read while it is listed, and a first version's rows are written meanwhile."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from aliquot.blobs import Store
from aliquot.blobs.readers import NEVER
from aliquot.datasets import places
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry, Origin, read_delta
from aliquot.datasets.growing import Growing, commit_growing
from aliquot.datasets.rebuild import rebuild
from aliquot.datasets.verify import verify
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import dataset, entry, receipt, version
from aliquot.intake.by_hand import ingest
from aliquot.intake.decided import Entered, Intake, Taken
from aliquot.intake.judge import Rule
from aliquot.intake.receipts import NewReceipt, write
from aliquot.intake.scan import paths_below
from aliquot.intake.unseen import take_arriving
from aliquot.model.digest import EMPTY, digest_bytes
from datasets_world import add, contents, put

pytestmark = [
    pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True),
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="readers need Linux"),
]

FILES = 150


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    for number in range(FILES):
        file = folder / f"plate {number % 3}" / f"{number:03}_x.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"well {number}")
    return folder


def _take(
    catalogue: Catalogue,
    store: Store,
    given: Path,
    before_ns: int = NEVER,
    more: Sequence[str] = (),
    told: list[Entered] | None = None,
) -> tuple[Taken, list[str]]:
    beside = None if told is None else lambda _, entered: told.append(entered)
    intake = Intake(catalogue, store, "hand:wells", [Rule("wells")], "ada", by_hand=True, beside=beside)
    taken = Taken()
    listing = chain.from_iterable([*paths_below(given, lambda _: None), more])
    return taken, take_arriving(intake, given, listing, 1, before_ns, taken)


def _there(given: Path) -> dict[str, str]:
    return {"/" + str(file.relative_to(given)): file.read_text() for file in given.rglob("*.txt")}


@pytest.mark.parametrize("before_ns", [NEVER, 0], ids=["at rest", "just written"])
def test_a_first_version_is_as_any_other(
    catalogue: Catalogue, store: Store, given: Path, tmp_path: Path, before_ns: int
) -> None:
    (given / "large.txt").write_text("0123456789abcdef" * 16_000)
    (given / "empty.txt").touch()
    (given / "same.txt").write_text("well 7")
    told: list[Entered] = []
    taken, back = _take(catalogue, store, given, before_ns, told=told)
    assert told == [Entered(taken.versions[0], FILES + 3, 0, ())]
    assert (taken.added, taken.unchanged, [each.number for each in taken.versions]) == (FILES + 3, 0, [1])
    assert (back, taken.bad) == ([], False)
    assert contents(catalogue, store, "wells") == _there(given)
    assert verify(catalogue, store, None).damages == ()
    with catalogue.read() as connection:
        (said,) = connection.execute(select(receipt)).all()
        delta = connection.execute(select(version.c.delta)).scalar_one()
        receipts = connection.execute(select(entry.c.receipt_id).distinct()).scalars().all()
    assert (said.path, said.files, said.digest, said.version) == ("/", FILES + 3, delta, 1)
    assert said.size == sum(file.stat().st_size for file in given.rglob("*.txt"))
    assert receipts == [said.id]
    fresh = open_catalogue(f"sqlite:///{tmp_path}/fresh.db")
    assert rebuild(store, fresh).receipts == 1
    assert contents(fresh, store, "wells") == _there(given)
    fresh.close()


def test_what_was_damaged_is_mended_by_the_same_bytes(
    catalogue: Catalogue, store: Store, given: Path, tmp_path: Path
) -> None:
    add(catalogue, store, "others", {"/a": "well 7", "/b": "well 8", "/c": "something else"})
    (pack,) = (tmp_path / "store" / "packs").glob("*/*")
    content = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(content.replace(b"well 7", b"WELL 7").replace(b"something", b"SOMETHING"))
    taken, _ = _take(catalogue, store, given)
    assert taken.added == FILES
    assert contents(catalogue, store, "wells") == _there(given)
    with catalogue.read() as connection:
        where = places.require(connection, [digest_bytes(b"well 7")])
    assert store.read_checked(where[digest_bytes(b"well 7")]) == b"well 7"


def test_what_comes_later_is_compared_with_what_is_there(catalogue: Catalogue, store: Store, given: Path) -> None:
    _take(catalogue, store, given)
    (given / "plate 0" / "000_x.txt").write_text("other")
    (given / "new.txt").write_text("new")
    told: list[Entered] = []
    taken, back = _take(catalogue, store, given, told=told)
    assert told == [Entered(taken.versions[0], 2, FILES - 1, ())]
    assert (taken.added, taken.unchanged, back) == (2, FILES - 1, [])
    assert contents(catalogue, store, "wells") == _there(given)


def test_a_file_that_goes_meanwhile_is_told_and_the_rest_comes(catalogue: Catalogue, store: Store, given: Path) -> None:
    taken, back = _take(catalogue, store, given, more=["plate 2/gone.txt"])
    assert ([each.path for each in taken.changing], taken.added, back) == (["/plate 2/gone.txt"], FILES, [])
    assert contents(catalogue, store, "wells") == _there(given)


@pytest.mark.parametrize("left", [0, 5])
def test_few_that_can_be_read_make_no_delivery(catalogue: Catalogue, store: Store, given: Path, left: int) -> None:
    for file in sorted(given.rglob("*.txt"))[left:]:
        file.unlink()
    told: list[Entered] = []
    taken, back = _take(catalogue, store, given, more=[f"gone {number}" for number in range(FILES)], told=told)
    assert (taken, told, len(back)) == (Taken(), [], FILES + left)
    with catalogue.read() as connection:
        for table in (version, receipt, entry):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_a_name_that_no_dataset_can_hold_goes_the_way_of_all_others(
    catalogue: Catalogue, store: Store, given: Path
) -> None:
    odd = os.fsdecode(b"odd \xff.txt")
    (given / odd).write_text("odd")
    taken, back = _take(catalogue, store, given)
    assert (taken, len(back), odd in back) == (Taken(), FILES + 1, True)
    with catalogue.read() as connection:
        assert connection.execute(select(func.count()).select_from(version)).scalar_one() == 0


def test_a_path_that_clashes_goes_the_way_of_all_others(catalogue: Catalogue, store: Store, given: Path) -> None:
    add(catalogue, store, "wells", {"/plate 0": "a file"})
    taken, back = _take(catalogue, store, given)
    assert (taken, len(back)) == (Taken(), FILES)
    assert contents(catalogue, store, "wells") == {"/plate 0": "a file"}


def test_what_waits_in_quarantine_is_not_overlooked(catalogue: Catalogue, store: Store, given: Path) -> None:
    ingest(catalogue, store, "wells", [given / "plate 1" / "001_x.txt"], "ada")
    (given / "plate 1" / "001_x.txt").rename(given / "001_x.txt")
    taken, back = _take(catalogue, store, given)
    assert (taken, len(back)) == (Taken(), FILES)


def _growing(entries: Sequence[NewEntry], parts: Iterator[Sequence[NewEntry] | None]) -> Growing:
    change = Change("wells", entries, provenance={"intake": "hand:wells"})
    return Growing(change, lambda _: next(parts), _begun, lambda _: None, lambda *_: None)


def _begun(connection: Connection) -> int:
    said = [NewReceipt("/", 0, 1, EMPTY, 0.0, 0.0, "accepted")]
    return write(connection, "hand:wells", "ada", 0.0, said)[0]


def test_files_that_come_too_slowly_leave_nothing_behind(catalogue: Catalogue, store: Store) -> None:
    entries = put(catalogue, store, {f"/{number}": f"{number}" for number in range(9)})
    assert commit_growing(catalogue, store, _growing(entries[:5], iter([entries[5:7], None]))) is None
    with catalogue.read() as connection:
        assert connection.execute(select(func.count()).select_from(entry)).scalar_one() == 0
        assert connection.execute(select(dataset.c.head)).scalars().all() == [0]
    assert commit(catalogue, store, Change("wells", entries)).number == 1
    # Nor is there a second first version.
    assert commit_growing(catalogue, store, _growing(entries[:1], iter([[]]))) is None
    assert len(contents(catalogue, store, "wells")) == 9


def test_files_out_of_order_make_the_same_version(catalogue: Catalogue, store: Store) -> None:
    origin = Origin("hand:wells", 1.0, together=True)
    stored = put(catalogue, store, {f"/{number}": f"{number}" for number in range(9)})
    entries = [each._replace(origin=origin) for each in stored]
    done = commit_growing(catalogue, store, _growing(entries[4:], iter([entries[2:4], entries[:2], []])))
    assert done
    assert (done.number, done.added) == (1, 9)
    assert verify(catalogue, store, None).damages == ()
    commit(catalogue, store, Change("others", entries, provenance={"intake": "hand:wells"}))
    with catalogue.read() as connection:
        deltas = connection.execute(select(version.c.delta).order_by(version.c.dataset_id)).scalars().all()
        where = places.require(connection, deltas)
    first, second = (read_delta(store.read(where[each]), each) for each in deltas)
    assert first[1:] == second[1:]
    assert [each.path for each in first[1]] == [f"/{number}" for number in range(9)]


KILLED = """
import os, signal, sys
from pathlib import Path
from aliquot.blobs import open_store
from aliquot.db import open_catalogue
from aliquot.datasets import places
from aliquot.datasets.commit import Change
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.growing import Growing, commit_growing
from aliquot.intake.receipts import NewReceipt, write
from aliquot.model.digest import EMPTY
def entries(first):
    return [NewEntry(f"/{n:05}", EMPTY, 0) for n in range(first, first + 5000)]
def more(seconds):
    print("half", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
def begun(connection):
    return write(connection, "hand:wells", "ada", 0.0, [NewReceipt("/", 0, 1, EMPTY, 0.0, 0.0, "accepted")])[0]
growing = Growing(Change("wells", entries(0)), more, begun, lambda _: None, lambda *_: None)
commit_growing(open_catalogue(sys.argv[1]), open_store(sys.argv[2]), growing)
"""


def test_a_process_that_is_killed_halfway_leaves_nothing_behind(
    catalogue: Catalogue, store: Store, tmp_path: Path
) -> None:
    url = catalogue.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", KILLED, url, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("half\n", -signal.SIGKILL)
    with catalogue.read() as connection:
        assert connection.execute(select(func.count()).select_from(entry)).scalar_one() == 0
        assert connection.execute(select(dataset.c.head)).scalars().all() == [0]
    add(catalogue, store, "wells", {"/a": "a"})
    assert contents(catalogue, store, "wells") == {"/a": "a"}
