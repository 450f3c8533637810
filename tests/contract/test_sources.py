"""Every kind of source, by one suite: what lies there arrives, once, whatever happens to it meanwhile."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import receipt
from aliquot.intake import receipts
from aliquot.intake.place import Place
from aliquot.intake.receipts import NewReceipt
from aliquot.intake.scan import File
from aliquot.intake.settle import Clock
from aliquot.intake.source import Look, SourceIntake
from aliquot.model.digest import EMPTY
from aliquot.model.finding import Finding
from aliquot.model.lab_config import Source
from azurite import Azurite, azurite_of
from bucket import Bucket, bucket_of
from datasets_world import contents
from intake_world import ANY, ROWS, types
from source_kinds import FolderKind, Kind, ObjectsKind

pytestmark = pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)

KINDS = ["folder", "s3", "azure", "gs"]
OBJECTS = int(os.environ.get("ALIQUOT_TEST_OBJECTS", "0"))
"""How many files there are where there are many; `make test-sources` says 100,000, which takes minutes."""
GOOD = b"id,name\n1,a\n2,b\n"


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, bucket_of(patch, max(1000, OBJECTS // 5)) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def azure() -> Iterator[Azurite]:
    with azurite_of() as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    disk = tmp_path / "disk"
    match request.param:
        case "folder":
            return FolderKind(tmp_path / "inbox")
        case "s3":
            bucket: Bucket = request.getfixturevalue("s3")
            return ObjectsKind(f"s3://{bucket.name}/{tmp_path.name}", disk, settings=bucket.settings, seed=bucket.seed)
        case "azure":
            server: Azurite = request.getfixturevalue("azure")
            return ObjectsKind(f"az://{server.container}/{tmp_path.name}", disk, settings=server.settings)
        case _:
            bucket = request.getfixturevalue("s3")
            # What the client of gs:// speaks is the XML of Cloud Storage, which is that of S3.
            settings = {"google_base_url": bucket.endpoint, "google_bearer_token": "test"}
            return ObjectsKind(f"gs://{bucket.name}/{tmp_path.name}", disk, settings=settings, seed=bucket.seed)


class Door:
    """One source over a place, and a clock that is turned between looks."""

    def __init__(self, catalogue: Catalogue, store: Store, kind: Kind, tmp_path: Path) -> None:
        self.catalogue, self.store, self.kind, self.lab = catalogue, store, kind, tmp_path
        self.ticks = 0.0

    def open(self, accept: str = "any", meddle: Callable[[], None] | None = None, **settings: object) -> SourceIntake:
        document = {"watch": self.kind.url, "since": "all", "accept": [{"type": accept, "into": "plates"}], **settings}
        source = Source.model_validate({"settled": {"quiet": 0}, **document})
        known = types(any=ANY, rows=ROWS)
        place = meddling(self.kind.place(), meddle) if meddle else self.kind.place()
        return SourceIntake(self.catalogue, self.store, "bench", source, known, self.lab, place=place)

    def look(self, source: SourceIntake) -> Look:
        self.ticks += 10
        return source.look(Clock(self.ticks, time.time()))

    def content(self, path: str) -> str:
        """Say what a file holds of which there are many: its own name, in buckets after that of what it lies in."""
        return path if not self.kind.url.startswith(("s3:", "gs:")) else f"{self.kind.url.split('/', 3)[3]}/{path}"

    @property
    def plates(self) -> dict[str, str]:
        return contents(self.catalogue, self.store, "plates")

    @property
    def count(self) -> int:
        with self.catalogue.read() as connection:
            return connection.execute(select(func.count()).select_from(receipt)).scalar_one()


@pytest.fixture
def door(catalogue: Catalogue, store: Store, kind: Kind, tmp_path: Path) -> Door:
    return Door(catalogue, store, kind, tmp_path)


def test_what_arrives_is_taken_once_whoever_looks(door: Door) -> None:
    source = door.open()
    assert door.look(source).taken.safe == []
    door.kind.put("a.csv", b"1")
    door.kind.put("deep/er/b.csv", b"2" * 300_000)
    door.kind.put("empty", b"")
    assert door.look(source).taken.added == 3
    assert door.plates == {"/a.csv": "1", "/deep/er/b.csv": "2" * 300_000, "/empty": ""}
    for again in (source, door.open(), door.open()):
        look = door.look(again)
        assert (look.taken.safe, look.pending, look.listed) == ([], (), 3)
    assert door.count == 3


def test_a_change_is_the_next_version_and_a_deletion_none(door: Door) -> None:
    source = door.open()
    door.kind.put("a", b"1")
    door.look(source)
    door.kind.put("a", b"22")
    assert [each.number for each in door.look(source).taken.versions] == [2]
    door.kind.delete("a")
    assert door.look(source).taken.versions == []
    assert door.plates == {"/a": "22"}


def test_a_renamed_file_arrives_under_its_new_name(door: Door) -> None:
    source = door.open()
    door.kind.put("a", b"1")
    door.look(source)
    door.kind.rename("a", "b")
    assert door.look(source).taken.added == 1
    assert door.plates == {"/a": "1", "/b": "1"}


def test_a_file_that_is_old_arrives_late(door: Door) -> None:
    source = door.open()
    door.kind.put("new", b"1")
    door.look(source)
    door.kind.put("old", b"2", mtime=1_000_000_000.0)
    assert door.look(source).taken.added == 1


def test_changes_of_one_second_and_one_size_are_all_seen(door: Door) -> None:
    source = door.open()
    for number, text in enumerate((b"one", b"two", b"six", b"ten"), 1):
        door.kind.put("a", text, mtime=1_700_000_000.0)
        assert [each.number for each in door.look(source).taken.versions] == [number]
        assert door.look(door.open()).taken.safe == []
    assert door.plates == {"/a": "ten"}


def test_other_content_of_the_same_size_and_time_is_seen_after_a_restart(door: Door) -> None:
    door.kind.put("a", b"one", mtime=1_700_000_000.0)
    door.look(door.open())
    door.kind.put("a", b"two", mtime=1_700_000_000.0)
    assert [each.number for each in door.look(door.open()).taken.versions] == [2]


ODD = [
    "a b",
    "a+b",
    "a%20b",
    "a%2Fb",
    "Zürich/läuft.csv",
    "日本/データ",
    "é",
    "e\u0301",
    "n" * 255,
    "?#&=",
    "~x",
    "back\\s",
]


def test_odd_names_arrive_as_they_are(door: Door) -> None:
    # Azure itself makes a slash of a backslash.
    names = [each for each in ODD if "\\" not in each or not door.kind.url.startswith("az:")]
    for name in names:
        door.kind.put(name, name.encode())
    assert door.look(door.open()).taken.added == len(names)
    assert door.plates == {f"/{name}": name for name in names}
    assert door.look(door.open()).taken.safe == []


def test_what_is_refused_waits_in_quarantine(door: Door) -> None:
    source = door.open("rows")
    door.kind.put("good.csv", GOOD)
    door.kind.put("bad.csv", b"id,name\nx,y\n")
    look = door.look(source)
    assert (look.taken.added, [each.path for each in look.taken.quarantined]) == (1, ["/bad.csv"])
    assert door.look(door.open("rows")).taken.safe == []


@pytest.mark.parametrize("after", ["archive", "delete"])
def test_what_is_safe_is_cleared_at_the_source(door: Door, after: str) -> None:
    source = door.open(after=after)
    door.kind.put("deep/a.csv", b"1")
    door.kind.put("b.csv", b"2")
    assert door.look(source).taken.added == 2
    left = door.kind.paths()
    assert {each.split("/", 2)[-1] for each in left} == ({"deep/a.csv", "b.csv"} if after == "archive" else set())
    assert {door.kind.get(each) for each in left} == ({b"1", b"2"} if after == "archive" else set())
    door.kind.put("b.csv", b"2")
    look = door.look(source)
    assert (look.taken.unchanged, look.taken.versions) == (1, [])


def test_a_marker_and_a_set_are_waited_for(door: Door) -> None:
    pairs = door.open(settled={"quiet": 0, "set": ["{name}.one", "{name}.two"]})
    door.kind.put("x.one", b"1")
    (waiting,) = door.look(pairs).pending
    assert waiting.kind == "set"
    door.kind.put("x.two", b"2")
    assert door.look(pairs).taken.added == 2
    door.kind.put("x.two", b"3")
    assert door.look(pairs).taken.added == 1
    marked = door.open(settled={"quiet": 0, "marker": "{path}.done"})
    door.kind.put("y", b"1")
    assert [each.path for each in door.look(marked).pending] == ["/y"]
    door.kind.put("y.done", b"")
    assert door.look(marked).taken.added == 1


def test_a_quiet_period_that_is_asked_for_holds_everywhere(door: Door) -> None:
    source = door.open(settled={"quiet": 60})
    door.kind.put("a", b"1")
    (waiting,) = door.look(source).pending
    assert (waiting.kind, door.look(source).taken.added) == ("quiet", 0)
    door.ticks += 60
    assert door.look(source).taken.added == 1


def meddling(place: Place, meddle: Callable[[], None]) -> Place:
    """Give the same place, in which something happens between its being listed and read."""

    class Meddled(type(place)):  # type: ignore[misc]
        def pages(self, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
            for page in super().pages(ignore, tell):
                meddle()
                yield page

    other = object.__new__(Meddled)
    other.__dict__.update(place.__dict__)
    return other


def test_what_comes_goes_and_changes_while_the_place_is_listed_is_right_in_the_end(door: Door) -> None:
    for number in range(8):
        door.kind.put(f"{number}", b"old")
    left = iter(range(8))

    def meddle() -> None:
        if (number := next(left, None)) is None:
            return
        door.kind.delete(f"{number}")
        door.kind.put(f"{(number + 3) % 8}", b"new")
        door.kind.put(f"more/{number}", b"late")

    source = door.open(meddle=meddle)
    looks = [door.look(source) for _ in range(12)]
    assert looks[-1].taken.safe == []
    assert looks[-1].pending == ()
    there = {f"/{path}" for path in door.kind.paths()}
    assert there <= set(door.plates)
    assert all(text == "late" for path, text in door.plates.items() if "more" in path)
    known = [(each.path, each.digest, each.object_version, each.size, each.mtime_ns) for each in receipts_of(door)]
    assert len(known) == len(set(known))


def test_what_is_gone_before_it_is_read_is_forgotten_and_the_others_arrive(door: Door) -> None:
    door.kind.put("a", b"1")
    door.kind.put("b", b"2")
    gone: list[str] = []

    def meddle() -> None:
        if not gone:
            door.kind.delete("a")
            gone.append("a")

    source = door.open(meddle=meddle)
    added = sum(door.look(source).taken.added for _ in range(3))
    assert (added, door.plates) == (1, {"/b": "2"})
    assert door.look(source).pending == ()
    assert door.look(source).findings == ()


def test_a_clock_that_jumps_loses_and_doubles_nothing(door: Door) -> None:
    source = door.open(settled={"quiet": 5})
    now = time.time()
    door.kind.put("a", b"1")
    for wall in (now, now + 10**8, now - 10**8, now):
        door.ticks += 2
        look = source.look(Clock(door.ticks, wall))
        door.kind.put(f"at-{wall:.0f}", b"x")
    assert [each.path for each in look.pending] != []
    door.ticks += 10
    source.look(Clock(door.ticks, now - 10**8))
    door.ticks += 10
    source.look(Clock(door.ticks, now + 10**8))
    assert set(door.plates) == {f"/{path}" for path in door.kind.paths()}
    assert door.count == len(door.plates)


def test_many_files_are_known_and_those_that_are_new_arrive(door: Door) -> None:
    amount = OBJECTS or (10_000 if isinstance(door.kind, FolderKind) else 300)
    paths = [f"{number % 7}/{number:06}.csv" for number in range(amount)]
    door.kind.put_many(paths)
    new = paths[:: max(1, amount // 1000)] if not isinstance(door.kind, FolderKind) else paths
    _take_the_rest_for_granted(door, set(new))
    assert door.look(door.open()).taken.added == len(new)
    assert door.plates == {f"/{path}": door.content(path) for path in new}
    source = door.open()
    looks = [door.look(source) for _ in range(3)]
    assert [(each.taken.safe, each.pending, each.listed) for each in looks] == [([], (), amount)] * 3
    door.kind.put("3/late.csv", b"late")
    assert door.look(source).taken.added == 1
    assert door.count == amount + 1


def _take_the_rest_for_granted(door: Door, new: set[str]) -> None:
    """Write receipts of what a lab has taken in before."""
    for page in door.kind.place().pages((), lambda _: None):
        rows = [
            NewReceipt(each.path, each.size, each.mtime_ns, EMPTY, 0.0, 0.0, "accepted", "any", "plates", each.path,
                       object_version=each.version)
            for each in page if each.path[1:] not in new
        ]  # fmt: skip
        door.catalogue.repeat(lambda connection, rows=rows: receipts.write(connection, "bench", "tester", 0.0, rows))


def test_what_is_there_is_passed_over_when_it_shall_begin_now(door: Door) -> None:
    door.kind.put("old", b"1")
    source = door.open(since="now")
    assert door.look(source).taken.safe == []
    time.sleep(1.1)  # a bucket's clock counts in seconds
    door.kind.put("new", b"2")
    assert door.look(source).taken.added == 1
    assert door.look(door.open(since="now")).taken.safe == []
    assert door.plates == {"/new": "2"}
    assert [each.path for each in receipts_of(door)] == ["/new"]


def test_files_that_say_something_of_others_are_read_wherever_they_lie(door: Door) -> None:
    describe = {"required": ["site"], "properties": {"site": {"type": "string"}, "note": {"type": "string"}}}
    known = types(scan={"recognise": {"name": "*.scan"}, "describe": describe})
    document = {"watch": door.kind.url, "since": "all", "accept": [{"type": "scan", "into": "plates"}],
                "settled": {"quiet": 0, "manifest": "*.csv"}}  # fmt: skip
    source = SourceIntake(
        door.catalogue, door.store, "bench", Source.model_validate(document), known, door.lab, place=door.kind.place()
    )
    door.kind.put("run/sheet.csv", b"file,site\na.scan,north\n")
    assert [each.kind for each in door.look(source).pending] == ["manifest"]
    door.kind.put("run/a.scan", b"1")
    door.kind.put("run/a.yaml", b"note: late\n")
    assert door.look(source).taken.added == 1
    found = next(each for each in receipts_of(door) if each.path == "/run/a.scan")
    assert {name: each["value"] for name, each in found.facts["described"].items()} == {"site": "north", "note": "late"}
    assert door.look(source).taken.safe == []


def receipts_of(door: Door) -> list[receipts.Receipt]:
    with door.catalogue.read() as connection:
        return receipts.find(connection)
