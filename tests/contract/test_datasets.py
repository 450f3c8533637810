"""Versions on both databases: what commits write, and what any version says ever after."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select, update

from aliquot.blobs import Store, open_store
from aliquot.datasets.commit import Change, apply, commit, name_versions, prepare
from aliquot.datasets.delta import Header, NewEntry, read_delta, version_digest, write_delta
from aliquot.datasets.history import datasets, log
from aliquot.datasets.read import Difference, Entry, Version, difference, entries, one_entry, resolve
from aliquot.datasets.remove import remove_paths
from aliquot.datasets.tags import move_tag, moves, tags
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import dataset, entry, version
from aliquot.model.digest import digest_bytes
from aliquot.model.errors import Conflict, Damaged, Invalid, Missing
from aliquot.model.reference import Reference, parse_reference
from datasets_world import add, contents, put

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def _resolve(catalogue: Catalogue, text: str) -> Version:
    with catalogue.read() as connection:
        return resolve(connection, parse_reference(text))


def _paths(
    catalogue: Catalogue, text: str, below: str | None = None, after: str = "", limit: int | None = None
) -> list[str]:
    with catalogue.read() as connection:
        return [
            each.path for each in entries(connection, resolve(connection, parse_reference(text)), below, after, limit)
        ]


def _rows(catalogue: Catalogue) -> list[tuple[str, int, int | None]]:
    with catalogue.read() as connection:
        query = select(entry.c.path, entry.c.added, entry.c.removed).order_by(entry.c.path, entry.c.added)
        return [(row.path, row.added, row.removed) for row in connection.execute(query)]


# --- commits ---------------------------------------------------------------------------------------------------------


@both
def test_adds_replacements_and_removals_make_versions_that_all_stay_readable(
    catalogue: Catalogue, store: Store
) -> None:
    assert add(catalogue, store, "plates", {"/a": "1", "/b": "2"}).number == 1
    second = add(catalogue, store, "plates", {"/b": "two", "/c": "3"})
    assert (second.number, second.added, second.removed, second.new) == (2, 2, 0, True)
    third = add(catalogue, store, "plates", {}, ["/a", "/not-there"])
    assert (third.number, third.added, third.removed) == (3, 0, 1)
    assert contents(catalogue, store, "plates@1") == {"/a": "1", "/b": "2"}
    assert contents(catalogue, store, "plates@2") == {"/a": "1", "/b": "two", "/c": "3"}
    assert contents(catalogue, store, "plates") == {"/b": "two", "/c": "3"}
    assert [(each.files, each.bytes) for each in (_resolve(catalogue, f"plates@{n}") for n in (1, 2, 3))] == [
        (2, 2), (3, 5), (2, 4),
    ]  # fmt: skip


@both
def test_a_commit_writes_the_rows_that_change_and_no_other(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {f"/{n:03}": str(n) for n in range(100)})
    before = _rows(catalogue)
    add(catalogue, store, "plates", {"/003": "new", "/004": "4", "/x": "y"}, ["/005"])
    assert set(_rows(catalogue)) ^ set(before) == {
        ("/003", 1, None), ("/003", 1, 2), ("/003", 2, None), ("/x", 2, None), ("/005", 1, None), ("/005", 1, 2),
    }  # fmt: skip


@both
def test_a_change_that_changes_nothing_makes_no_version(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1"})
    again = add(catalogue, store, "plates", {"/a": "1"}, ["/not-there"])
    assert (again.number, again.new) == (1, False)
    assert _resolve(catalogue, "plates").number == 1


@both
def test_a_path_that_is_added_and_removed_at_once_is_added(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1"})
    add(catalogue, store, "plates", {"/a": "2"}, ["/a"])
    assert contents(catalogue, store, "plates") == {"/a": "2"}


@both
def test_committers_at_once_lose_nothing(catalogue: Catalogue, store: Store) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(8):
                add(catalogue, store, "plates", {f"/{name}/{n}": name, "/shared": f"{name}{n}"})
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(_paths(catalogue, "plates")) == 25
    with catalogue.read() as connection:
        history = log(connection, "plates")
    assert [each.number for each in history] == list(range(24, 0, -1))
    assert [each.files for each in history][-1] == 2
    for newer, older in pairwise(history):
        assert newer.parent == older.digest


@both
def test_a_draft_of_a_dataset_that_has_moved_is_a_conflict(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1"})
    late = prepare(catalogue, store, Change("plates", put(catalogue, store, {"/late": "x"})))
    idle = prepare(catalogue, store, Change("plates", put(catalogue, store, {"/a": "1"})))
    add(catalogue, store, "plates", {"/b": "2"})
    for draft in (late, idle):
        with pytest.raises(Conflict, match="has just committed"), catalogue.write() as connection:
            apply(connection, draft)
    assert sorted(contents(catalogue, store, "plates")) == ["/a", "/b"]


@both
def test_what_is_written_beside_a_version_is_written_with_it_or_not_at_all(catalogue: Catalogue, store: Store) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        commit(catalogue, store, Change("plates", put(catalogue, store, {"/a": "1"})), fail)
    assert _resolve(catalogue, "plates").number == 0
    assert contents(catalogue, store, "plates") == {}


@both
def test_versions_are_chained_and_named_in_the_store(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1"}, by="a person")
    add(catalogue, store, "plates", {"/b": "2"}, by="a pipeline")
    assert [key for key, _ in store.objects.list_keys("versions/")] == [
        "versions/plates/0000000001.json", "versions/plates/0000000002.json",
    ]  # fmt: skip
    with catalogue.read() as connection:
        rows = connection.execute(select(version).order_by(version.c.number)).all()
    assert all(row.named for row in rows)
    assert rows[0].digest == version_digest("", rows[0].delta, {"by": "a person"})
    assert rows[1].digest == version_digest(rows[0].digest, rows[1].delta, {"by": "a pipeline"})
    with catalogue.write() as connection:
        connection.execute(update(version).values(named=False))
    assert name_versions(catalogue, store) == 2


def test_paths_that_no_disk_could_hold_are_refused(catalogue: Catalogue, store: Store) -> None:
    digest = digest_bytes(b"")
    for path in ("a", "/", "/a//b", "/../b", "/a/.", "/a\0", "/" + "x" * 256, "/" + "é" * 128, "/\ud800", ""):
        with pytest.raises(Invalid, match="The path"):
            commit(catalogue, store, Change("plates", [NewEntry(path, digest, 0)]))
    with pytest.raises(Invalid, match="cannot name a dataset"):
        commit(catalogue, store, Change("No Such", []))


def test_a_file_is_not_also_a_folder(catalogue: Catalogue, store: Store) -> None:
    with pytest.raises(Invalid, match="both a file and a folder"):
        add(catalogue, store, "plates", {"/a": "1", "/a/b": "2"})
    add(catalogue, store, "plates", {"/a": "1", "/f/g/h": "2"})
    for clashing in ("/a/b/c", "/f", "/f/g"):
        with pytest.raises(Invalid, match="both a file and a folder"):
            add(catalogue, store, "plates", {clashing: "3"})
    add(catalogue, store, "plates", {"/a/b": "3"}, ["/a"])
    add(catalogue, store, "plates", {"/f": "3"}, ["/f/g/h"])
    assert sorted(contents(catalogue, store, "plates")) == ["/a/b", "/f"]


# --- reading ---------------------------------------------------------------------------------------------------------

ODD = ["/a", "/a b", "/a-1", "/a.txt", "/a0", "/b/c", "/b/c.d/e", "/b/d", "/b-", "/b0", "/é", "/z/ü/\U0001f9ec", "/Z"]


@both
def test_pages_and_folders_are_in_the_order_of_bytes(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", dict.fromkeys(ODD, "x"))
    expected = sorted(ODD, key=str.encode)
    assert _paths(catalogue, "plates") == expected
    pages: list[str] = []
    while page := _paths(catalogue, "plates", after=pages[-1] if pages else "", limit=3):
        assert len(page) <= 3
        pages += page
    assert pages == expected
    assert _paths(catalogue, "plates", below="/b") == ["/b/c", "/b/c.d/e", "/b/d"]
    assert _paths(catalogue, "plates", below="/b/c") == ["/b/c"]
    assert _paths(catalogue, "plates", below="/b/c/") == []
    assert _paths(catalogue, "plates", below="/a") == ["/a"]
    assert _paths(catalogue, "plates", below="/b", after="/b/c", limit=1) == ["/b/c.d/e"]
    assert _paths(catalogue, "plates", below="/") == expected
    with catalogue.read() as connection:
        found = one_entry(connection, resolve(connection, parse_reference("plates")), "/b/c")
        assert found == Entry("/b/c", digest_bytes(b"x"), 1)
        with pytest.raises(Missing, match="has no file /b"):
            one_entry(connection, resolve(connection, parse_reference("plates")), "/b")


@both
def test_differences_cost_what_changed_and_go_both_ways(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1", "/b": "2", "/c": "3"})
    add(catalogue, store, "plates", {"/a": "one", "/d": "4"}, ["/b"])
    add(catalogue, store, "plates", {"/a": "1"}, ["/d"])
    one, two, three = (_resolve(catalogue, f"plates@{n}") for n in (1, 2, 3))
    digest = {text: digest_bytes(text.encode()) for text in ("1", "one", "2", "4")}
    with catalogue.read() as connection:
        assert list(difference(connection, one, two)) == [
            Difference("/a", digest["1"], digest["one"]),
            Difference("/b", digest["2"], None),
            Difference("/d", None, digest["4"]),
        ]
        assert list(difference(connection, three, one)) == [Difference("/b", None, digest["2"])]
        assert list(difference(connection, two, two)) == []
    add(catalogue, store, "other", {"/a": "1"})
    with catalogue.read() as connection, pytest.raises(Invalid, match="not versions of one dataset"):
        list(difference(connection, one, _resolve(catalogue, "other")))


@both
def test_references_say_what_there_is_when_they_fail(catalogue: Catalogue, store: Store) -> None:
    with pytest.raises(Missing, match="there are none yet"):
        _resolve(catalogue, "plates")
    add(catalogue, store, "plates", {"/a": "1"})
    for text, match in (
        ("plate", "did you mean 'plates'"), ("blots", "there is 'plates'"),
        ("plates@2", "its newest is 1"), ("plates@0", "its newest is 1"),
        ("plates@99999999999999999999999", "its newest is 1"), ("plates@good", "no tag 'good'"),
    ):  # fmt: skip
        with pytest.raises(Missing, match=match):
            _resolve(catalogue, text)


@both
def test_a_catalogue_lists_datasets_and_their_logs(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1"}, by="a person")
    add(catalogue, store, "plates", {"/b": "22"}, ["/a"])
    add(catalogue, store, "empty", {})
    move_tag(catalogue, "plates", "good", 1, "ada")
    with catalogue.read() as connection:
        listed = datasets(connection)
        history = log(connection, "plates")
        assert [each.number for each in log(connection, "plates", limit=1)] == [2]
        assert [each.number for each in log(connection, "plates", before=2)] == [1]
        with pytest.raises(Missing):
            log(connection, "none")
    assert [(each.name, each.head, each.files, each.bytes) for each in listed] == [
        ("empty", 1, 0, 0),
        ("plates", 2, 1, 2),
    ]
    assert [(each.number, each.added, each.removed, each.tags, each.parked) for each in history] == [
        (2, 1, 1, (), 0), (1, 1, 0, ("good",), 0),
    ]  # fmt: skip
    assert history[1].provenance == {"by": "a person"}
    assert listed[1].changed_at == history[0].created_at
    assert history[1].document()["tags"] == ["good"]


# --- tags and removals -----------------------------------------------------------------------------------------------


@both
def test_tags_move_only_when_asked_and_leave_a_trace(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1"})
    add(catalogue, store, "plates", {"/a": "2"})
    move_tag(catalogue, "plates", "validated", 1, "ada")
    add(catalogue, store, "plates", {"/a": "3"})
    assert contents(catalogue, store, "plates@validated") == {"/a": "1"}
    move_tag(catalogue, "plates", "validated", 1, "ada")
    move_tag(catalogue, "plates", "validated", 2, "grace")
    assert _resolve(catalogue, "plates@validated").number == 2
    move_tag(catalogue, "plates", "validated", None, "ada")
    with catalogue.read() as connection:
        assert tags(connection, "plates") == {}
        trace = [(each.name, each.before, each.after, each.moved_by) for each in moves(connection, "plates")]
    assert trace == [
        ("validated", 2, None, "ada"), ("validated", 1, 2, "grace"), ("validated", None, 1, "ada"),
    ]  # fmt: skip


@both
def test_tags_that_could_not_be_told_from_versions_are_refused(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1"})
    for name in ("latest", "12", "Not A Name", ""):
        with pytest.raises(Invalid):
            move_tag(catalogue, "plates", name, 1, "ada")
    with pytest.raises(Missing, match="no version 7"):
        move_tag(catalogue, "plates", "good", 7, "ada")
    with pytest.raises(Missing, match="no tag"):
        move_tag(catalogue, "plates", "good", None, "ada")
    with pytest.raises(Missing, match="no dataset"):
        move_tag(catalogue, "none", "good", 1, "ada")


@both
def test_tags_moved_at_once_leave_a_chain_of_traces(catalogue: Catalogue, store: Store) -> None:
    for n in range(4):
        add(catalogue, store, "plates", {"/a": str(n)})

    def work(number: int) -> None:
        for _ in range(10):
            move_tag(catalogue, "plates", "good", number, "ada")

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalogue.read() as connection:
        trace = moves(connection, "plates")[::-1]
        now = tags(connection, "plates")["good"]
    assert [each.before for each in trace] == [None, *(each.after for each in trace[:-1])]
    assert trace[-1].after == now


@both
def test_removing_paths_makes_a_version_without_them(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "plates", {"/a": "1", "/f/b": "2", "/f/c/d": "3", "/f-x": "4", "/g/h": "5"})
    done = remove_paths(catalogue, store, "plates", ["/f", "/g/", "/f/b"], "ada", "consent withdrawn")
    assert (done.number, done.removed) == (2, 3)
    assert sorted(contents(catalogue, store, "plates")) == ["/a", "/f-x"]
    assert len(contents(catalogue, store, "plates@1")) == 5
    with catalogue.read() as connection:
        made = log(connection, "plates")[0]
    assert made.provenance == {"cause": "removal", "who": "ada", "because": "consent withdrawn"}
    with pytest.raises(Missing, match="/none"):
        remove_paths(catalogue, store, "plates", ["/a", "/none"], "ada", "")
    assert "/a" in contents(catalogue, store, "plates")
    with pytest.raises(Invalid, match="at least one"):
        remove_paths(catalogue, store, "plates", [], "ada", "")


# --- deltas ----------------------------------------------------------------------------------------------------------


def test_a_delta_reads_back_what_was_written() -> None:
    header = Header("plates", 3, "parent", {"who": "ada"}, 2)
    adds = [NewEntry("/b\n", digest_bytes(b"x"), 1, {"source": "inbox"}), NewEntry("/a\r", digest_bytes(b"y"), 2)]
    data = write_delta(header, adds, ["/aa"])
    assert read_delta(data, "it") == (header, adds[::-1], ["/aa"])


def test_a_delta_that_is_cut_or_no_delta_is_damaged() -> None:
    data = write_delta(Header("plates", 1, "", {}), [NewEntry("/a", digest_bytes(b"x"), 1)] * 50, [])
    for broken in (data[:-5], data[:10], b"", b"text", data[:40] + b"\0\0\0\0" + data[44:]):
        with pytest.raises(Damaged, match="cannot be read"):
            read_delta(broken, "it")


# --- any history -----------------------------------------------------------------------------------------------------

PATHS = st.sampled_from(["/a", "/a-b", "/a0", "/b/c", "/b/d", "/b-", "/c/d/e", "/c/d/f", "/é"])


class History(RuleBasedStateMachine):
    """Random commits, against a dictionary for each version."""

    catalogue: Catalogue
    store: Store

    def __init__(self) -> None:
        super().__init__()
        with self.catalogue.read() as connection:
            count = connection.execute(select(func.count()).select_from(dataset)).scalar_one()
        self.name = f"d{count}"
        add(self.catalogue, self.store, self.name, {})
        self.versions: list[dict[str, str]] = [{}]

    @rule(adds=st.dictionaries(PATHS, st.sampled_from("xyz"), max_size=5), removes=st.lists(PATHS, max_size=4))
    def change(self, adds: dict[str, str], removes: list[str]) -> None:
        before = self.versions[-1]
        after = {path: text for path, text in before.items() if path not in removes} | adds
        done = add(self.catalogue, self.store, self.name, adds, removes)
        assert done.new == (after != before)
        if done.new:
            self.versions.append(after)
        assert done.number == len(self.versions)

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        one, other = (data.draw(st.integers(1, len(self.versions))) for _ in range(2))
        model, second = self.versions[one - 1], self.versions[other - 1]
        assert contents(self.catalogue, self.store, f"{self.name}@{one}") == model
        below, after = data.draw(PATHS), data.draw(st.one_of(st.just(""), PATHS))
        folder = below.rsplit("/", 1)[0] or "/"
        for place in (below, folder):
            inside = [p for p in model if place == "/" or p == place or p.startswith(place + "/")]
            found = _paths(self.catalogue, f"{self.name}@{one}", place, after, 3)
            assert found == sorted((p for p in inside if p.encode() > after.encode()), key=str.encode)[:3]
        with self.catalogue.read() as connection:
            ends = [resolve(connection, Reference(self.name, str(n))) for n in (one, other)]
            found_differences = {d.path: (d.before, d.after) for d in difference(connection, *ends)}
        assert found_differences == {
            path: tuple(digest_bytes(side[path].encode()) if path in side else None for side in (model, second))
            for path in {*model, *second}
            if model.get(path) != second.get(path)
        }

    @invariant()
    def totals(self) -> None:
        newest = _resolve(self.catalogue, self.name)
        assert (newest.files, newest.bytes) == (len(self.versions[-1]), sum(map(len, self.versions[-1].values())))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_catalogue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgresql_cluster")
        name = cluster.create()
        opened = open_catalogue(cluster.url(name))
        yield opened
        opened.close()
        cluster.drop(name)
        return
    opened = open_catalogue(f"sqlite:///{tmp_path_factory.mktemp('history')}/catalogue.db")
    yield opened
    opened.close()


def test_any_history_reads_as_its_model(shared_catalogue: Catalogue) -> None:
    folder = Path(tempfile.mkdtemp())
    machine = type("AnyHistory", (History,), {"catalogue": shared_catalogue, "store": open_store(str(folder))})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    finally:
        shutil.rmtree(folder)


@both
def test_a_catalogue_that_is_older_than_its_store_commits_nothing_over_it(
    catalogue: Catalogue, store: Store, tmp_path: Path
) -> None:
    add(catalogue, store, "plates", {"/a": "1"})
    add(catalogue, store, "plates", {"/b": "2"})
    before = {key: store.objects.read_object(key) for key, _ in store.objects.list_keys("versions/")}
    fresh = open_catalogue(f"sqlite:///{tmp_path}/fresh.db")
    with pytest.raises(Conflict, match="older than the store"):
        add(fresh, store, "plates", {"/c": "3"})
    assert {key: store.objects.read_object(key) for key, _ in store.objects.list_keys("versions/")} == before
    with fresh.read() as connection:
        assert [line.head for line in datasets(connection)] == [0]
    fresh.close()


# --- projects --------------------------------------------------------------------------------------------------------


@both
def test_a_commit_is_refused_that_was_permitted_in_another_project(catalogue: Catalogue, store: Store) -> None:
    """Somebody else made the dataset, or moved it, between the check and the commit."""
    adds = put(catalogue, store, {"/a": "1"})
    commit(catalogue, store, Change("plates", adds, project="blue", within="blue"))
    for change in (Change("plates", put(catalogue, store, {"/b": "2"}), within="red"), Change("plates", within="red")):
        with pytest.raises(Conflict) as made:
            commit(catalogue, store, change)
        assert made.value.code == "dataset-elsewhere"
    drafts = [
        prepare(catalogue, store, Change("plates", put(catalogue, store, files), within="blue"))
        for files in ({"/b": "2"}, {"/a": "1"})
    ]
    with catalogue.write() as connection:
        connection.execute(update(dataset).values(project="red"))
    for draft in drafts:
        with pytest.raises(Conflict) as moved, catalogue.write() as connection:
            apply(connection, draft)
        assert moved.value.code == "dataset-elsewhere"
    assert contents(catalogue, store, "plates") == {"/a": "1"}
    assert _resolve(catalogue, "plates").number == 1
