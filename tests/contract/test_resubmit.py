"""Corrected files in the place of refused ones, and the work on what waits, on both databases."""

from pathlib import Path

import pytest

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake import quarantine, receipts, thread
from aliquot.intake.by_hand import ingest
from aliquot.intake.describe import Given
from aliquot.intake.judge import Rule
from aliquot.intake.resubmit import resubmit
from aliquot.model.errors import Conflict, Invalid, Missing
from datasets_world import contents
from intake_world import ROWS, World, types

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

BAD = "id,name\nx,a\n"
GOOD = "id,name\n1,a\n"
KNOWN = types(rows=ROWS)
RULES = [Rule("plates", KNOWN["rows"])]


@pytest.fixture
def world(catalogue: Catalogue, store: Store, tmp_path: Path) -> World:
    return World(catalogue, store, tmp_path)


def _refused(world: World, text: str = BAD) -> int:
    world.drop("x.csv", text, mtime=1000)
    (refusal,) = world.look(world.source([("rows", "plates")], KNOWN)).taken.quarantined
    return refusal.id


def _corrected(world: World, text: str) -> Path:
    place = world.inbox.parent / "corrected by hand.csv"
    place.write_text(text)
    return place


@both
def test_a_corrected_file_takes_the_path_and_the_place_of_the_refused_one(world: World) -> None:
    id_ = _refused(world)
    taken = resubmit(world.catalogue, world.store, id_, [_corrected(world, GOOD)], "ada", "typed anew", RULES)
    assert [(each.dataset, each.number) for each in taken.versions] == [("plates", 1)]
    assert contents(world.catalogue, world.store, "plates") == {"/x.csv": GOOD}
    with world.catalogue.read() as connection:
        held = quarantine.show(connection, id_)
        (event,) = thread.thread(connection, held)
        new, old = receipts.find(connection)
    assert (held.state, held.decided_by, held.because, held.version) == ("REPLACED", "ada", "typed anew", 1)
    assert (event.what, event.who, event.text) == ("replaced", "ada", "typed anew")
    assert (old.decision, new.decision, new.facts["resubmits"], new.who) == ("replaced", "accepted", id_, "ada")
    # The refused file still lies at its source, and is no arrival.
    assert world.look(world.source([("rows", "plates")], KNOWN)).taken.safe == []


@both
def test_a_correction_that_is_refused_waits_under_a_new_number_and_keeps_the_thread(world: World) -> None:
    first = _refused(world)
    taken = resubmit(world.catalogue, world.store, first, [_corrected(world, BAD + "y,b\n")], "ada", "again", RULES)
    (refusal,) = taken.quarantined
    assert refusal.id != first
    done = resubmit(world.catalogue, world.store, refusal.id, [_corrected(world, GOOD)], "bob", "now right", RULES)
    assert done.versions[0].number == 1
    with world.catalogue.read() as connection:
        second = quarantine.show(connection, refusal.id)
        assert second.replaces == first
        assert thread.replaced_by(connection, first) == refusal.id
        assert [(each.quarantine_id, each.what, each.who) for each in thread.thread(connection, second)] == [
            (first, "replaced", "ada"), (refusal.id, "replaced", "bob"),
        ]  # fmt: skip
        assert quarantine.count_held(connection) == 0


@both
def test_nothing_is_resubmitted_twice_or_over_what_has_come_since(world: World) -> None:
    id_ = _refused(world)
    ingest(world.catalogue, world.store, "plates", [_given(world, "id,name\n7,g\n")], "eve", [KNOWN["rows"]])
    with pytest.raises(Conflict, match="holds a newer"):
        resubmit(world.catalogue, world.store, id_, [_corrected(world, GOOD)], "ada", "typed anew", RULES)
    other = _refused(world, BAD + "z,c\n")
    resubmit(world.catalogue, world.store, other, [_corrected(world, GOOD)], "ada", "typed anew", RULES)
    with pytest.raises(Conflict, match="has decided"):
        resubmit(world.catalogue, world.store, other, [_corrected(world, GOOD)], "ada", "typed anew", RULES)
    with pytest.raises(Invalid, match="Say why"):
        resubmit(world.catalogue, world.store, other, [_corrected(world, GOOD)], "ada", " ", RULES)
    with pytest.raises(Missing, match="nothing was done"):
        resubmit(world.catalogue, world.store, id_, [Path("/nowhere.csv")], "ada", "x", [])


def _given(world: World, text: str) -> Path:
    folder = world.inbox.parent / "given"
    folder.mkdir()
    (folder / "x.csv").write_text(text)
    return folder


def test_of_files_that_came_together_the_corrected_one_suffices(world: World) -> None:
    pair = types(pair={"recognise": {"name": "*.head"}, "set": ["{name}.head", "{name}.body"], "describe": {
        "required": ["site"], "properties": {"site": {"type": "string"}}}})  # fmt: skip
    world.drop("a.head", "old head")
    world.drop("a.body", "body")
    (refusal,) = world.look(world.source([("pair", "pairs")], pair)).taken.quarantined
    place = world.inbox.parent / "a.head"
    place.write_text("new head")
    (world.inbox.parent / "a.yaml").write_text("site: north\n")
    files = [place, world.inbox.parent / "a.yaml"]
    rules = [Rule("pairs", pair["pair"])]
    stray = _corrected(world, "x")
    with pytest.raises(Invalid, match="do not belong together"):
        resubmit(world.catalogue, world.store, refusal.id, [place, stray], "ada", "x", rules)
    taken = resubmit(world.catalogue, world.store, refusal.id, files, "ada", "x", rules)
    assert taken.added == 2
    assert contents(world.catalogue, world.store, "pairs") == {"/a.head": "new head", "/a.body": "body"}


@both
def test_the_same_bytes_are_resubmitted_with_what_was_not_said(world: World) -> None:
    describe = {"required": ["site"], "properties": {"site": {"type": "string"}}}
    known = types(rows=ROWS | {"describe": describe})
    place = _corrected(world, GOOD)
    (refusal,) = ingest(world.catalogue, world.store, "plates", [place], "ada", [known["rows"]])[0].quarantined
    rules = [Rule("plates", known["rows"])]
    again = resubmit(world.catalogue, world.store, refusal.id, [place], "ada", "x", rules).quarantined[0]
    said = Given({None: {"site": "north"}}, "ada")
    taken = resubmit(world.catalogue, world.store, again.id, [place], "ada", "asked", rules, said)
    assert (taken.added, taken.quarantined) == (1, [])
    with world.catalogue.read() as connection:
        assert {quarantine.show(connection, each.id).state for each in (refusal, again)} == {"REPLACED"}


@both
def test_who_shall_decide_is_noted_and_what_waits_longest_is_told(world: World) -> None:
    old, new = _refused(world), _refused(world, BAD + "y,b\n")
    world.catalogue.repeat(lambda connection: thread.assign(connection, old, "bob", "ada", at=5.0))
    with world.catalogue.read() as connection:
        assert [each.id for each in quarantine.list_held(connection, assigned_to="bob")] == [old]
        assert [each.id for each in thread.longest(connection, 1)] == [old]
        (event,) = thread.thread(connection, quarantine.show(connection, old))
        arrived = quarantine.show(connection, old).arrived_at
        (age,) = thread.ages(connection, arrived + 8 * thread.DAY)
    assert (event.what, event.text, event.who, event.at) == ("assigned", "to bob", "ada", 5.0)
    assert (age.source, age.waiting, age.oldest, age.over_a_week, age.unassigned) == ("bench", 2, arrived, 2, 1)
    quarantine.reject(world.catalogue, new, "ada", "no")
    with pytest.raises(Conflict, match="has decided"):
        world.catalogue.repeat(lambda connection: thread.assign(connection, new, "bob", "ada"))
