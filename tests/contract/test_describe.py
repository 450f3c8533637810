"""What is said of files beside their content, on both databases: by hand, in sidecar files, in sample sheets."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.delta import read_delta
from aliquot.datasets.read import one_entry, resolve
from aliquot.db import Catalogue
from aliquot.db.tables import version
from aliquot.intake import quarantine, receipts
from aliquot.intake.by_hand import ingest
from aliquot.intake.describe import Given, with_given
from aliquot.model.errors import Invalid
from aliquot.model.reference import parse_reference
from datasets_world import contents
from intake_world import World, types

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

DESCRIBE = {
    "required": ["facility"],
    "properties": {
        "facility": {"type": "string", "title": "Facility"},
        "laser_power": {"type": "number", "minimum": 0, "maximum": 100},
        "note": {"type": "string"},
    },
}
KNOWN = types(scan={"recognise": {"name": "*.scan"}, "describe": DESCRIBE})


@pytest.fixture
def world(catalogue: Catalogue, store: Store, tmp_path: Path) -> World:
    return World(catalogue, store, tmp_path)


def _said(world: World, path: str) -> dict[str, tuple[Any, str]]:
    with world.catalogue.read() as connection:
        found = receipts.find(connection, receipts.Wanted(name=path))[0]
    return {name: (each["value"], each["origin"]) for name, each in found.facts.get("described", {}).items()}


def _decisions(world: World) -> dict[str, str]:
    with world.catalogue.read() as connection:
        return {each.path: each.decision for each in reversed(receipts.find(connection))}


@both
def test_a_sidecar_file_describes_the_file_beside_it_and_enters_no_dataset(world: World) -> None:
    source = world.source([("scan", "scans")], KNOWN)
    world.drop("deep/a.scan", "1")
    world.drop("deep/a.scan.yaml", "facility: north\nlaser_power: 40\n")
    world.drop("b.scan", "2")
    world.drop("b.json", '{"facility": "south"}')
    look = world.look(source)
    assert (look.taken.added, look.taken.quarantined, look.pending) == (2, [], ())
    assert contents(world.catalogue, world.store, "scans") == {"/deep/a.scan": "1", "/b.scan": "2"}
    assert _said(world, "/deep/a.scan") == {
        "facility": ("north", "/deep/a.scan.yaml"), "laser_power": (40, "/deep/a.scan.yaml"),
    }  # fmt: skip
    assert _said(world, "/b.scan") == {"facility": ("south", "/b.json")}
    assert _decisions(world)["/b.json"] == "described"
    again = world.look(world.source([("scan", "scans")], KNOWN))
    assert (again.taken.safe, again.pending) == ([], ())


@both
def test_what_is_required_and_missing_waits_until_a_sidecar_file_says_it(world: World) -> None:
    source = world.source([("scan", "scans")], KNOWN)
    world.drop("a.scan", "1")
    (refusal,) = world.look(source).taken.quarantined
    assert [(each.code, each.field) for each in refusal.findings] == [("description-missing", "facility")]
    assert "Facility" in refusal.findings[0].text
    assert "--record facility=" in refusal.findings[0].text
    world.drop("a.yaml", "facility: north\n")
    assert world.look(source).taken.added == 1
    with world.catalogue.read() as connection:
        assert quarantine.show(connection, refusal.id).state == "RELEASED"
        (of_file,) = receipts.find(connection, receipts.Wanted(name="/a.scan"))
        entry = one_entry(connection, resolve(connection, parse_reference("scans")), "/a.scan")
    assert (of_file.decision, of_file.dataset, entry.receipt_id) == ("accepted", "scans", of_file.id)
    assert "findings" not in of_file.facts


@both
def test_a_sidecar_file_that_changes_changes_what_is_said_and_no_version(world: World) -> None:
    source = world.source([("scan", "scans")], KNOWN)
    world.drop("a.scan", "1")
    world.drop("a.yaml", "facility: north\n")
    world.look(source)
    world.drop("a.yaml", "facility: west\n", mtime=5)
    look = world.look(source)
    assert (look.taken.versions[:1], look.taken.quarantined) == ([], [])
    assert _said(world, "/a.scan")["facility"][0] == "west"
    with world.catalogue.read() as connection:
        assert len(receipts.find(connection, receipts.Wanted(name="/a.scan"))) == 1


@both
def test_refused_values_are_told_with_who_said_them(world: World) -> None:
    source = world.source([("scan", "scans")], KNOWN)
    world.drop("a.scan", "1")
    world.drop("a.yaml", "facilty: north\nlaser_power: 400\n")
    (refusal,) = world.look(source).taken.quarantined
    told = {each.code: each.text for each in refusal.findings}
    assert told.keys() == {"description-missing", "description-refused", "description-unknown"}
    assert "/a.yaml" in told["description-refused"]
    assert "'facility'" in told["description-unknown"]


@both
@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "", "\xff\xfe", "a: 1\na: 2\n"])
def test_a_sidecar_file_that_cannot_be_read_waits_and_is_told(world: World, text: str) -> None:
    source = world.source([("scan", "scans")], KNOWN)
    world.drop("a.scan", "1")
    world.drop("a.yaml", text.encode("latin-1"))
    refused = {each.path: {one.code for one in each.findings} for each in world.look(source).taken.quarantined}
    assert "sidecar-unreadable" in refused["/a.yaml"]
    assert {"description-missing", "sidecar-unreadable"} <= refused["/a.scan"]
    assert world.look(source).taken.safe == []


def test_a_sidecar_file_alone_waits_for_its_file_and_a_type_that_takes_its_ending_has_it_as_data(world: World) -> None:
    source = world.source([("scan", "scans")], KNOWN)
    world.drop("later.yaml", "facility: north\n")
    look = world.look(source)
    assert [(each.path, each.kind) for each in look.pending] == [("/later.yaml", "sidecar")]
    settings = types(
        scan={"recognise": {"name": "*.scan"}, "describe": DESCRIBE}, plan={"recognise": {"name": "*.yaml"}}
    )
    taken = world.look(world.source([("scan", "scans"), ("plan", "plans")], settings)).taken
    assert [each.dataset for each in taken.versions] == ["plans"]


@both
def test_the_columns_of_a_sample_sheet_describe_the_files_that_it_names(world: World) -> None:
    world.drop("sheet.csv", "sample,site,facility,laser_power\ns1,x,north,12.5\ns2,x,south,\n")
    sheet = {"manifest": {"name": "sheet*.csv", "files": ["{sample}.scan"]}, "quiet": 0}
    source = world.source([("scan", "scans")], KNOWN, settled=sheet)
    world.drop("s1.scan", "1")
    look = world.look(source)
    assert {each.path: each.kind for each in look.pending} == {"/s1.scan": "manifest", "/sheet.csv": "manifest"}
    assert "/s2.scan" in next(each.why for each in look.pending if each.path == "/s1.scan")
    world.drop("s2.scan", "2")
    assert world.look(source).taken.added == 2
    assert _said(world, "/s1.scan") == {
        "facility": ("north", "/sheet.csv, row 2"), "laser_power": (12.5, "/sheet.csv, row 2"),
    }  # fmt: skip
    assert _said(world, "/s2.scan") == {"facility": ("south", "/sheet.csv, row 3")}
    assert _decisions(world)["/sheet.csv"] == "described"


@both
def test_values_given_by_hand_are_kept_with_who_gave_them_and_in_the_delta(world: World) -> None:
    world.drop("a.scan", "1")
    given = Given({None: {"facility": "north"}, "scan": {"laser_power": "40"}}, "ada")
    taken, _ = ingest(
        world.catalogue, world.store, "scans", [world.inbox / "a.scan"], "ada", list(KNOWN.values()), given=given
    )
    assert taken.added == 1
    assert _said(world, "/a.scan") == {"facility": ("north", "given by ada"), "laser_power": (40, "given by ada")}
    with world.catalogue.read() as connection:
        delta = connection.execute(select(version.c.delta)).scalar_one()
        place = places.require(connection, [delta])[delta]
    _, (add,), _ = read_delta(world.store.read(place), "x")
    assert isinstance(add.origin, dict)
    assert add.origin["described"]["facility"]["value"] == "north"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({None: {"facilty": "north"}}, "record-unknown"),
        ({None: {"laser_power": "much"}}, "record-refused"),
        ({"other": {"facility": "x"}}, "record-unasked"),
    ],
)
def test_slips_by_hand_are_refused_before_anything_is_taken(
    world: World, values: dict[str | None, dict[str, str]], code: str
) -> None:
    world.drop("a.scan", "1")
    with pytest.raises(Invalid) as refused:
        ingest(
            world.catalogue,
            world.store,
            "scans",
            [world.inbox],
            "ada",
            list(KNOWN.values()),
            given=Given(values, "ada"),
        )
    assert refused.value.code == code
    assert _decisions(world) == {}


@both
def test_a_release_can_say_what_was_missing(world: World) -> None:
    source = world.source([("scan", "scans")], KNOWN)
    world.drop("a.scan", "1")
    (refusal,) = world.look(source).taken.quarantined
    with pytest.raises(Invalid, match="facility"):
        with_given(KNOWN["scan"], {}, Given({None: {"facilty": "x"}}, "ada"))
    described = with_given(KNOWN["scan"], {}, Given({None: {"facility": "north"}}, "ada"))
    quarantine.release(world.catalogue, world.store, refusal.id, "ada", "asked the ward", described=described)
    assert _said(world, "/a.scan") == {"facility": ("north", "given by ada")}
    with world.catalogue.read() as connection:
        held = quarantine.show(connection, refusal.id)
    assert (held.state, held.described["facility"]["value"]) == ("RELEASED", "north")
