"""What happens at a source between its being listed, read and cleared: nothing is lost, doubled or half read."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import event

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake.folder import Folder
from aliquot.intake.scan import File
from aliquot.intake.settle import Clock, Landing
from aliquot.intake.since import since_of
from aliquot.intake.source import Look, SourceIntake
from aliquot.model.finding import Finding
from aliquot.model.lab_config import Source
from bucket import bucket_of
from datasets_world import contents
from intake_world import ANY, types
from source_kinds import FolderKind, ObjectsKind, memory

pytestmark = pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)

DESCRIBE = {"required": ["site"], "properties": {"site": {"type": "string"}}}
SCANS = types(scan={"recognise": {"name": "*.scan"}, "describe": DESCRIBE})


class Meddled(Folder):
    """A folder in which something happens before each listing but the first, and before anything is cleared."""

    def __init__(
        self,
        root: Path,
        before_listing: Callable[[int], None] = lambda _: None,
        before_clearing: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(root)
        self.before_listing = before_listing
        self._before_clearing = before_clearing
        self.listings = 0

    def pages(self, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
        self.listings += 1
        self.before_listing(self.listings)
        yield from super().pages(ignore, tell)

    def clear(self, after: Literal["archive", "delete"], files: Sequence[File]) -> list[Finding]:
        self._before_clearing()
        return super().clear(after, files)


class Yard:
    """A folder at the lab's door, and a clock that is turned between looks."""

    def __init__(self, catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
        self.catalogue, self.store, self.lab = catalogue, store, tmp_path
        self.kind = FolderKind(tmp_path / "inbox")
        self.ticks = 0.0

    def open(self, known: Any = None, place: Folder | None = None, **settings: Any) -> SourceIntake:
        name = next(iter(known)) if known else "any"
        document = {"watch": "inbox", "accept": [{"type": name, "into": "plates"}], "settled": {"quiet": 0}, **settings}
        source = Source.model_validate(document)
        return SourceIntake(
            self.catalogue, self.store, "bench", source, known or types(any=ANY), self.lab, place=place,
        )  # fmt: skip

    def look(self, source: SourceIntake, after: float = 10) -> Look:
        self.ticks += after
        return source.look(Clock(self.ticks, time.time()))

    @property
    def plates(self) -> dict[str, str]:
        return contents(self.catalogue, self.store, "plates")


@pytest.fixture
def yard(catalogue: Catalogue, store: Store, tmp_path: Path) -> Yard:
    return Yard(catalogue, store, tmp_path)


def test_a_file_that_comes_between_two_listings_has_its_quiet_period(yard: Yard) -> None:
    """Its partner has rested for long; what has just begun to come is not taken with it half written."""

    def comes(listing: int) -> None:
        if listing >= 2 and "x.two" not in yard.kind.paths():
            yard.kind.put("x.two", b"half")

    place = Meddled(yard.kind.root)
    source = yard.open(place=place, settled={"quiet": 60, "set": ["{name}.one", "{name}.two"]})
    yard.kind.put("x.one", b"1")
    yard.look(source)
    place.listings, place.before_listing = 0, comes
    assert yard.look(source, 100).taken.safe == []
    assert "x.two" in yard.kind.paths()
    yard.kind.put("x.two", b"all of it")
    assert yard.look(source, 30).taken.safe == []
    yard.look(source, 10)
    assert yard.look(source, 70).taken.added == 2
    assert yard.plates == {"/x.one": "1", "/x.two": "all of it"}


@pytest.mark.parametrize("after", ["archive", "delete"])
def test_a_sidecar_stays_until_its_file_is_safe(yard: Yard, after: str) -> None:
    source = yard.open(SCANS, settled={"quiet": 60}, after=after)
    yard.kind.put("a.yaml", b"site: north\n")
    yard.look(source)
    yard.look(source, 100)
    yard.kind.put("a.scan", b"1")
    yard.look(source)
    assert {"a.yaml", "a.scan"} <= yard.kind.paths()
    look = yard.look(source, 100)
    assert (look.taken.added, look.taken.quarantined) == (1, [])
    yard.look(source)
    assert not {"a.yaml", "a.scan"} & yard.kind.paths()


@pytest.mark.parametrize("restart", [False, True])
def test_files_of_one_manifest_leave_together(yard: Yard, restart: bool) -> None:
    def opened() -> SourceIntake:
        return yard.open(settled={"quiet": 60, "manifest": "*.csv"}, after="delete")

    source = opened()
    yard.kind.put("list.csv", b"file\na\nb\n")
    yard.kind.put("a", b"1")
    yard.look(source)
    yard.kind.put("b", b"2")
    # The first has rested by now, and the second has not.
    yard.look(source, 59)
    yard.look(source, 10)
    if restart:
        source = opened()
        yard.look(source)
    yard.look(source, 70)
    assert yard.plates == {"/a": "1", "/b": "2", "/list.csv": "file\na\nb\n"}
    look = yard.look(source)
    assert (yard.kind.paths(), look.pending) == (set(), ())


def test_a_folder_of_so_many_files_is_cleared_when_all_are_safe(yard: Yard) -> None:
    moved = iter([True])

    class Moving(Folder):
        def pages(self, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
            for page in super().pages(ignore, tell):
                if page and len(page) == 3 and next(moved, None):
                    # Between its being listed and read: it is not the same any more.
                    yield [each._replace(mtime_ns=each.mtime_ns - 1) if each.name == "b" else each for each in page]
                else:
                    yield page

    source = yard.open(place=Moving(yard.kind.root), settled={"quiet": 0, "count": 3}, after="delete")
    for name in "abc":
        yard.kind.put(f"run/{name}", name.encode())
    yard.look(source)
    look = [yard.look(source) for _ in range(3)][-1]
    assert yard.plates == {"/run/a": "a", "/run/b": "b", "/run/c": "c"}
    assert (yard.kind.paths(), look.pending) == (set(), ())


@pytest.mark.parametrize("restart", [False, True])
def test_what_was_given_up_stays_for_what_it_lacks(yard: Yard, restart: bool) -> None:
    settled = {"quiet": 0, "give_up": "1h", "set": ["{name}.one", "{name}.two"]}
    source = yard.open(settled=settled, after="delete")
    yard.kind.put("x.one", b"1")
    source.look(Clock(0, time.time()))
    (refused,) = source.look(Clock(10, time.time() + 4000)).taken.quarantined
    assert refused.path == "/x.one"
    if restart:
        source = yard.open(settled=settled, after="delete")
    assert source.look(Clock(20, time.time() + 4100)).taken.safe == []
    yard.kind.put("x.two", b"2")
    assert source.look(Clock(30, time.time() + 4200)).taken.added == 2
    assert yard.plates == {"/x.one": "1", "/x.two": "2"}
    source.look(Clock(40, time.time() + 4300))
    assert yard.kind.paths() == set()


@pytest.mark.parametrize("after", ["archive", "delete"])
def test_what_takes_the_place_of_a_file_with_its_size_and_time_is_not_cleared_for_it(yard: Yard, after: str) -> None:
    replaced = iter([True])

    def replace() -> None:
        if next(replaced, None):
            yard.kind.put("draft", b"two", mtime=1_700_000_000.0)
            (yard.kind.root / "draft").rename(yard.kind.root / "a")

    source = yard.open(place=Meddled(yard.kind.root, before_clearing=replace), after=after)
    yard.kind.put("a", b"one", mtime=1_700_000_000.0)
    yard.look(source)
    yard.look(source)
    assert yard.plates == {"/a": "two"}


def test_a_file_that_is_written_over_and_over_is_never_half_read(yard: Yard) -> None:
    """Even where its size and its time stay as they were."""
    size = 4 * 2**20
    whole = [bytes([number]) * size for number in (1, 2)]
    yard.kind.put("a", whole[0], mtime=1_700_000_000.0)
    place = yard.kind.root / "a"
    end = threading.Event()

    def rewrite() -> None:
        number = 0
        while not end.is_set():
            number += 1
            with place.open("r+b") as file:
                file.write(whole[number % 2])
            os.utime(place, (1_700_000_000.0, 1_700_000_000.0))

    source = yard.open()
    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(30):
            yard.look(source)
    finally:
        end.set()
        writer.join()
    yard.look(source)
    yard.look(source)
    assert yard.plates["/a"].encode() in whole


def test_an_object_that_is_replaced_in_the_second_in_which_a_source_begins_arrives(
    catalogue: Catalogue, store: Store, tmp_path: Path
) -> None:
    kind = memory(tmp_path / "disk")
    kind.put("a", b"old")
    kind.put("b", b"old")
    (page,) = kind.place().pages((), lambda _: None)
    at = max(each.mtime_ns for each in page)
    now = Source.model_validate({"watch": kind.url, "accept": [{"type": "any", "into": "plates"}], "since": "now"})
    begun = since_of(catalogue, "bench", now, kind.place())
    assert not any(begun.holds(each) for each in page)
    assert since_of(catalogue, "bench", now, kind.place()) == begun
    assert begun.holds(page[0]._replace(mtime_ns=at, version="another"))
    assert begun.holds(page[0]._replace(mtime_ns=at, path="/c"))
    # What lay there is sent once more: S3 gives the same content the same version.
    assert begun.holds(page[0]._replace(mtime_ns=at + 10**9))


def test_a_source_that_begins_now_while_the_clock_is_ahead_misses_nothing(yard: Yard) -> None:
    """A file that came while the clock was years ahead does not make all that comes later old."""

    class Ahead(Folder):
        def pages(self, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
            for page in super().pages(ignore, tell):
                yield [
                    each._replace(changed_ns=each.changed_ns + 10**18) if each.name == "ahead" else each
                    for each in page
                ]

    yard.kind.put("ahead", b"1")
    yard.kind.put("old", b"1")
    source = yard.open(place=Ahead(yard.kind.root), since="now")
    assert yard.look(source).taken.safe == []
    yard.kind.put("new", b"2")
    assert yard.look(source).taken.added == 1
    assert yard.plates == {"/new": "2"}
    assert yard.look(yard.open(place=Ahead(yard.kind.root), since="now")).taken.safe == []


def test_an_empty_object_that_went_twice_before_it_was_read_arrives_when_it_stays(
    catalogue: Catalogue, store: Store, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch, bucket_of(patch) as s3:
        kind = ObjectsKind(f"s3://{s3.name}/in", tmp_path / "disk", settings=s3.settings)
        document = {
            "watch": kind.url,
            "since": "all",
            "settings": s3.settings,
            "accept": [{"type": "any", "into": "p"}],
        }
        place = kind.place()
        source = SourceIntake(
            catalogue, store, "bench", Source.model_validate(document), types(any=ANY), tmp_path, place=place
        )
        listed = place.pages
        for _ in range(3):
            kind.put("empty", b"")
            (file,) = next(iter(listed((), lambda _: None)))
            kind.delete("empty")
            with place.at_hand([Landing((file,), 0, 0)], lambda *_: None) as here:
                assert here == []
            time.sleep(1.1)  # a bucket's clock counts in seconds
        kind.put("empty", b"")
        assert source.look().taken.added == 1


def test_what_waits_keeps_nothing_else_from_coming(yard: Yard) -> None:
    """However many files wait for others, and however few are looked at in one go."""
    for number in range(30):
        yard.kind.put(f"a{number:02}.one", b"1")
    source = yard.open(settled={"quiet": 0, "set": ["{name}.one", "{name}.two"]})
    source.most = 10
    for number in range(5):
        yard.kind.put(f"z{number}.one", b"1")
        yard.kind.put(f"z{number}.two", b"2")
    look = [yard.look(source) for _ in range(6)][-1]
    assert not look.more
    assert len(yard.plates) == 10
    assert len(look.pending) == 30
    yard.kind.put("a07.two", b"2")
    yard.look(source)
    assert len(yard.plates) == 12


def test_what_lay_there_before_a_source_began_is_not_asked_about_at_each_look(yard: Yard) -> None:
    for number in range(20):
        yard.kind.put(f"{number}", b"old")
    source = yard.open(since="now")
    yard.look(source)
    asked: list[str] = []
    event.listen(yard.catalogue.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    yard.look(source)
    assert not [each for each in asked if "FROM receipt" in each]
    yard.kind.put("new", b"1")
    assert yard.look(source).taken.added == 1


@pytest.mark.parametrize("size", [10, 1 << 18], ids=["small", "large"])
def test_a_link_in_the_place_of_a_listed_file_is_not_taken_for_it(
    catalogue: Catalogue, store: Store, tmp_path: Path, size: int
) -> None:
    """Anybody can give a file of theirs the size and the time of one that the lab may read and they may not."""
    secret, listed = tmp_path / "secret", tmp_path / "inbox/a"
    listed.parent.mkdir()
    secret.write_bytes(b"s" * size)
    listed.write_bytes(b"a" * size)
    os.utime(listed, ns=(0, secret.stat().st_mtime_ns))
    # Of two that were made within one tick of the system's clock nothing would tell one from the other.
    while listed.stat().st_ctime_ns == secret.stat().st_ctime_ns:
        os.utime(listed, ns=(0, secret.stat().st_mtime_ns))

    class Linked(Folder):
        def pages(self, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
            yield from super().pages(ignore, tell)
            listed.unlink(missing_ok=True)
            if not listed.is_symlink():
                listed.symlink_to(secret)

    document = {"watch": "inbox", "since": "all", "settled": {"quiet": 0}, "accept": [{"type": "any", "into": "p"}]}
    source = SourceIntake(
        catalogue, store, "bench", Source.model_validate(document), types(any=ANY), tmp_path,
        place=Linked(tmp_path / "inbox"),
    )  # fmt: skip
    look = source.look()
    assert (look.taken.added, [each.path for each in look.taken.changing]) == (0, ["/a"])
    look = source.look()
    assert (look.taken.added, [each.code for each in look.findings]) == (0, ["link-ignored"])
