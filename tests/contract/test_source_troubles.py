"""What buckets refuse, of every kind and in the same words: nothing is lost, what can go on does, and it is told."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake.source import SourceIntake
from aliquot.model.errors import Unavailable
from aliquot.model.lab_config import Source
from azurite import Azurite, azurite_of
from bucket import Bucket, bucket_of
from datasets_world import contents
from http_gate import Gate
from intake_world import ANY, types
from source_kinds import ObjectsKind

pytestmark = pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)

RIGHTS = {
    "s3": ("s3:ListBucket", "s3:GetObject"),
    "az": ("Storage Blob Data Reader", "Storage Blob Data Reader"),
    "gs": ("storage.objects.list", "storage.objects.get"),
}


class Behind(NamedTuple):
    """A server of buckets behind its gate, and how one bucket of it is made and removed."""

    gate: Gate
    settings: dict[str, str]
    make: Callable[[str], None]
    remove: Callable[[str], None]


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, bucket_of(patch) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def azure() -> Iterator[Azurite]:
    with azurite_of() as server:
        yield server


@pytest.fixture(params=["s3", "az", "gs"])
def behind(request: pytest.FixtureRequest) -> Iterator[Behind]:
    if request.param == "az":
        server: Azurite = request.getfixturevalue("azure")
        gate = Gate(server.blobs, "az")
        settings = {**server.settings, "azure_storage_endpoint": gate.address}
        found = Behind(gate, settings, server.make_container, server.remove_container)
    else:
        bucket: Bucket = request.getfixturevalue("s3")
        gate = Gate(bucket.endpoint, request.param)
        # What the client of gs:// speaks is the XML of Cloud Storage, which is that of S3.
        settings = (
            {**bucket.settings, "aws_endpoint": gate.address}
            if request.param == "s3"
            else {"google_base_url": gate.address, "google_bearer_token": "test"}
        )
        found = Behind(gate, settings, bucket.make, bucket.remove)
    try:
        yield found
    finally:
        gate.close()


class Door:
    """A source over a bucket behind a gate, and who puts objects there."""

    def __init__(self, catalogue: Catalogue, store: Store, behind: Behind, lab: Path) -> None:
        self.catalogue, self.store, self.behind, self.lab = catalogue, store, behind, lab
        self.bucket = "lab"
        self.below = lab.name

    @property
    def kind(self) -> ObjectsKind:
        url = f"{self.behind.gate.cloud}://{self.bucket}/{self.below}"
        return ObjectsKind(url, self.lab / "disk", settings=self.behind.settings)

    def open(self) -> SourceIntake:
        document = {"watch": self.kind.url, "since": "all", "settings": self.behind.settings,
                    "accept": [{"type": "any", "into": "plates"}]}  # fmt: skip
        return SourceIntake(
            self.catalogue, self.store, "bench", Source.model_validate(document), types(any=ANY), self.lab
        )

    @property
    def plates(self) -> dict[str, str]:
        return contents(self.catalogue, self.store, "plates")


@pytest.fixture
def door(catalogue: Catalogue, store: Store, behind: Behind, tmp_path: Path) -> Door:
    return Door(catalogue, store, behind, tmp_path)


def test_being_told_to_slow_down_now_and_then_stops_nothing(door: Door) -> None:
    for number in range(5):
        door.kind.put(f"{number}", b"1")
    with door.behind.gate.refusing("slow", times=2):
        assert door.open().look().taken.added == 5
    with door.behind.gate.refusing("slow to read", times=3):
        door.kind.put("late", b"1")
        assert door.open().look().taken.added == 1
    assert door.behind.gate.refused == 5


@pytest.mark.parametrize("how", ["slow", "slow to read"])
def test_being_told_to_slow_down_for_long_is_told_and_loses_nothing(door: Door, how: str) -> None:
    source = door.open()
    door.kind.put("a", b"1")
    door.kind.put("b", b"2")
    with door.behind.gate.refusing(how), pytest.raises(Unavailable, match="does not answer as it should") as told:  # type: ignore[arg-type]
        source.look()
    assert (told.value.code, source.look().taken.added) == ("source-unavailable", 2)


@pytest.mark.parametrize("how", ["expired", "list"])
def test_a_bucket_that_refuses_to_be_listed_is_told_and_goes_on_later(door: Door, how: str) -> None:
    source = door.open()
    door.kind.put("a", b"1")
    right = RIGHTS[door.behind.gate.cloud][0]
    words = f"refuses to be listed: the credentials have expired or lack {right}"
    with door.behind.gate.refusing(how), pytest.raises(Unavailable, match=words) as told:  # type: ignore[arg-type]
        source.look()
    assert (told.value.code, source.look().taken.added) == ("source-refused", 1)


def test_credentials_that_expire_between_listing_and_reading_lose_nothing(door: Door) -> None:
    source = door.open()
    door.kind.put("a", b"1")
    assert source.look().taken.added == 1
    door.kind.put("secret/b", b"2")
    door.kind.put("secret/c", b"3")
    with door.behind.gate.refusing("read"):
        look = source.look()
    assert (look.taken.safe, len(look.findings)) == ([], 2)
    assert source.look().taken.added == 2


def test_what_may_not_be_read_waits_and_the_others_arrive(door: Door) -> None:
    source = door.open()
    door.kind.put("a", b"1")
    door.kind.put("secret/b", b"2")
    with door.behind.gate.refusing("read"):
        for added in (1, 0):
            look = source.look()
            assert (look.taken.added, [each.file for each in look.findings]) == (added, ["/secret/b"])
            assert "may list the object, but not read it" in look.findings[0].text
            assert [(each.path, each.kind) for each in look.pending] == [("/secret/b", "unreadable")]
    assert source.look().taken.added == 1
    assert source.look().findings == ()


def test_credentials_that_may_read_nothing_are_named(door: Door) -> None:
    source = door.open()
    door.kind.put("secret/a", b"1")
    words = f"lack {RIGHTS[door.behind.gate.cloud][1]}"
    with door.behind.gate.refusing("read"), pytest.raises(Unavailable, match=words) as told:
        source.look()
    assert (told.value.code, source.look().taken.added) == ("source-refused", 1)


def test_a_bucket_that_vanishes_is_told_and_what_comes_when_it_is_back_arrives(door: Door) -> None:
    door.bucket = f"passing{door.behind.gate.cloud}"
    door.behind.make(door.bucket)
    source = door.open()
    door.kind.put("a", b"1")
    assert source.look().taken.added == 1
    door.kind.delete("a")
    door.behind.remove(door.bucket)
    for _ in range(2):
        with pytest.raises(Unavailable, match=f"no bucket at {door.kind.url}") as told:
            source.look()
        assert told.value.code == "source-unavailable"
    door.behind.make(door.bucket)
    door.kind.put("a", b"1")
    door.kind.put("b", b"2")
    source.look()
    assert door.plates == {"/a": "1", "/b": "2"}
