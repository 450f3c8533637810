"""What goes wrong with one kind of bucket or another: it is told, nothing is lost, and what can go on does."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.tables import source as source_table
from aliquot.intake.source import SourceIntake
from aliquot.model.errors import Invalid, Unavailable
from aliquot.model.finding import Finding
from aliquot.model.lab_config import Source
from azurite import azurite_of
from bucket import Bucket, bucket_of
from datasets_world import contents
from intake_world import ANY, types
from source_kinds import ObjectsKind

pytestmark = pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, bucket_of(patch) as bucket:
        yield bucket


@pytest.fixture
def kind(s3: Bucket, tmp_path: Path) -> ObjectsKind:
    return ObjectsKind(f"s3://{s3.name}/{tmp_path.name}", tmp_path / "disk", settings=s3.settings)


def _open(catalogue: Catalogue, store: Store, watch: str, lab: Path, **settings: object) -> SourceIntake:
    document = {"watch": watch, "accept": [{"type": "any", "into": "plates"}], "since": "all", **settings}
    source = Source.model_validate(document)
    return SourceIntake(catalogue, store, "bench", source, types(any=ANY), lab)


def test_a_bucket_that_is_not_there_says_so(catalogue: Catalogue, store: Store, s3: Bucket, tmp_path: Path) -> None:
    source = _open(catalogue, store, "s3://nobody/in", tmp_path, settings=s3.settings)
    with pytest.raises(Unavailable, match="no bucket at s3://nobody/in") as told:
        source.look()
    assert told.value.code == "source-unavailable"


def test_credentials_that_are_refused_are_named(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    with azurite_of() as azure:
        wrong = {**azure.settings, "azure_storage_account_key": "b3RoZXI="}
        source = _open(catalogue, store, f"az://{azure.container}/in", tmp_path, settings=wrong)
        with pytest.raises(Unavailable, match="expired or lack Storage Blob Data Reader") as told:
            source.look()
    assert told.value.code == "source-refused"


def test_a_container_that_comes_later_is_told_until_then(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    with azurite_of() as azure:
        kind = ObjectsKind("az://later/in", tmp_path / "disk", settings=azure.settings)
        source = _open(catalogue, store, kind.url, tmp_path, settings=azure.settings)
        with pytest.raises(Unavailable, match="no bucket at az://later/in"):
            source.look()
        azure.make(azure.blobs, "later", "restype:container")
        kind.put("a", b"1")
        assert source.look().taken.added == 1


def test_a_setting_that_no_client_knows_is_refused(catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be opened"):
        _open(catalogue, store, "s3://lab/in", tmp_path, settings={"nonsense": "1"})


def test_settings_of_the_connection_are_taken_or_refused_like_those_of_the_cloud(
    catalogue: Catalogue, store: Store, kind: ObjectsKind, s3: Bucket, tmp_path: Path
) -> None:
    kind.put("a", b"1")
    settings = {**s3.settings, "aws_allow_http": "true", "AWS_TIMEOUT": "60s", "http1_only": "true"}
    assert _open(catalogue, store, kind.url, tmp_path, settings=settings).look().taken.added == 1
    for url in ("s3://lab/in", "gs://lab/in"):
        with pytest.raises(Invalid, match="cannot be opened"):
            _open(catalogue, store, url, tmp_path, settings={"timeout": "for ever"})


def test_a_bucket_that_holds_objects_has_to_say_how_far_back(
    catalogue: Catalogue, store: Store, kind: ObjectsKind, s3: Bucket, tmp_path: Path
) -> None:
    empty = _open(catalogue, store, kind.url, tmp_path, since=None, settings=s3.settings)
    assert empty.look().listed == 0
    kind.put("a", b"1")
    assert _open(catalogue, store, kind.url, tmp_path, since=None, settings=s3.settings).look().taken.added == 1
    with catalogue.write() as connection:
        connection.execute(source_table.delete())
    with pytest.raises(Invalid, match="Say how far back") as told:
        _open(catalogue, store, kind.url, tmp_path, since=None, settings=s3.settings).look()
    assert told.value.code == "since-absent"
    with catalogue.read() as connection:
        assert connection.execute(select(source_table)).all() == []


def test_keys_that_no_file_could_have_are_told_and_the_others_arrive(
    catalogue: Catalogue, store: Store, kind: ObjectsKind, s3: Bucket, tmp_path: Path
) -> None:
    kind.put("good", b"1")
    kind.put("last/good", b"2")
    for key in ("empty//segment", "mark/"):
        url = f"{s3.endpoint}/{s3.name}/{tmp_path.name}/{quote(key)}"
        with urlopen(Request(url, data=b"" if key.endswith("/") else b"x", method="PUT")):
            pass
    source = _open(catalogue, store, kind.url, tmp_path, settings=s3.settings)
    look = source.look()
    assert (look.taken.added, [each.file for each in look.findings]) == (2, ["/empty//segment"])
    assert contents(catalogue, store, "plates") == {"/good": "1", "/last/good": "2"}
    assert source.look().taken.safe == []


def test_a_long_listing_with_such_a_key_gives_each_object_once(
    catalogue: Catalogue, kind: ObjectsKind, s3: Bucket, tmp_path: Path
) -> None:
    keys = [f"run/{number:05}" for number in range(2_500)]
    s3.seed([f"{tmp_path.name}/{key}" for key in [*keys, "run/02000//odd", "z"]])
    told: list[Finding] = []
    listed = [each.path for page in kind.place().pages((), told.append) for each in page]
    assert listed == [*(f"/{key}" for key in keys), "/z"]
    assert [each.file for each in told] == ["/run/02000//odd"]


def test_a_folder_mark_is_no_file(
    catalogue: Catalogue, store: Store, kind: ObjectsKind, s3: Bucket, tmp_path: Path
) -> None:
    with urlopen(Request(f"{s3.endpoint}/{s3.name}/{tmp_path.name}/mark/", data=b"", method="PUT")):
        pass
    kind.put("mark/file", b"1")
    source = _open(catalogue, store, kind.url, tmp_path, settings=s3.settings)
    looks = [source.look() for _ in range(3)]
    assert [each.taken.added for each in looks] == [1, 0, 0]
    assert (looks[-1].pending, looks[-1].findings) == ((), ())


def test_an_object_that_is_replaced_between_listing_and_reading_is_taken_as_it_becomes(
    catalogue: Catalogue, store: Store, kind: ObjectsKind, s3: Bucket, tmp_path: Path
) -> None:
    place = kind.place()
    kind.put("a", b"one")
    kind.put("b", b"two")
    ((first, second),) = (page for page in place.pages((), lambda _: None))
    kind.put("a", b"six")
    kind.delete("b")
    lost: list[str] = []
    from aliquot.intake.settle import Landing

    landings = [Landing((first,), 0, 0), Landing((second,), 0, 0)]
    with place.at_hand(landings, lambda landing, finding: lost.append(landing.files[0].path)) as here:
        assert here == []
    assert lost == ["/a", "/b"]


def test_a_large_object_is_fetched_in_pieces(
    catalogue: Catalogue, store: Store, kind: ObjectsKind, s3: Bucket, tmp_path: Path
) -> None:
    data = bytes(range(256)) * (70 * 4096)
    kind.put("large.bin", data)
    source = _open(catalogue, store, kind.url, tmp_path, settings=s3.settings)
    (version,) = source.look().taken.versions
    assert version.added == 1
    from aliquot.datasets import places
    from aliquot.datasets.read import entries, resolve
    from aliquot.model.reference import parse_reference

    with catalogue.read() as connection:
        (entry,) = entries(connection, resolve(connection, parse_reference("plates")))
        where = places.require(connection, [entry.digest])[entry.digest]
    assert store.read_checked(where) == data
    assert list((tmp_path / ".aliquot/arriving").iterdir()) == []
