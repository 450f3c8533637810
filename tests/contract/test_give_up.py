"""Files that wait for others, on both databases: manifests with checksums, and what becomes of a wait in vain."""

import hashlib
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.db.intake_tables import awaiting
from aliquot.intake import quarantine, receipts
from aliquot.intake.settle import Clock
from aliquot.intake.source import Look, SourceIntake
from datasets_world import contents
from intake_world import ANY, World, types

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

SET = {"set": ["{sample}_R1.fq", "{sample}_R2.fq", "{sample}_I1.fq"], "quiet": 0, "give_up": "1h"}
READS = types(reads=ANY)


@pytest.fixture
def world(catalogue: Catalogue, store: Store, tmp_path: Path) -> World:
    return World(catalogue, store, tmp_path)


def _source(world: World, **settled: object) -> SourceIntake:
    return world.source([("reads", "reads")], READS, settled={**SET, **settled})


def _later(source: SourceIntake, seconds: float) -> Look:
    return source.look(Clock(0.0, time.time() + seconds))


@both
def test_a_set_that_never_completes_is_given_up_and_taken_when_it_does(world: World) -> None:
    source = _source(world)
    world.drop("s_R1.fq", "1")
    world.drop("s_R2.fq", "2")
    look = _later(source, 0)
    assert [(each.kind, each.path) for each in look.pending] == [("set", "/s_R1.fq")]
    # A restart forgets nothing of how long it has waited.
    look = _later(_source(world), 3000)
    assert (look.taken.quarantined, len(look.pending)) == ([], 1)
    (refusal,) = _later(_source(world), 4000).taken.quarantined
    assert [each.code for each in refusal.findings] == ["set-incomplete"]
    assert "s_I1.fq" in refusal.findings[0].text
    with world.catalogue.read() as connection:
        held = quarantine.show(connection, refusal.id)
    assert ([each.path for each in held.files], held.into, held.type) == (["/s_R1.fq", "/s_R2.fq"], "reads", "reads")
    for again in (source, _source(world)):
        look = _later(again, 5000)
        assert (look.taken.safe, look.taken.quarantined, look.pending) == ([], [], ())
    with world.catalogue.read() as connection:
        assert connection.execute(select(func.count()).select_from(awaiting)).scalar_one() == 0
    world.drop("s_I1.fq", "3")
    assert _later(_source(world), 6000).taken.added == 3
    with world.catalogue.read() as connection:
        assert quarantine.show(connection, refusal.id).state == "RELEASED"
        assert {each.decision for each in receipts.find(connection)} == {"accepted"}


@both
def test_what_is_given_up_a_second_time_waits_as_one(world: World) -> None:
    world.drop("s_R1.fq", "1")
    _later(_source(world), 0)
    (first,) = _later(_source(world), 4000).taken.quarantined
    world.drop("s_R2.fq", "2")
    look = _later(_source(world), 4100)
    assert ([each.kind for each in look.pending], look.taken.quarantined) == (["set"], [])
    (second,) = _later(_source(world), 8000).taken.quarantined
    with world.catalogue.read() as connection:
        (held,) = quarantine.list_held(connection)
        assert quarantine.show(connection, first.id).state == "REPLACED"
    assert (held.id, held.replaces, len(held.files)) == (second.id, first.id, 2)


@both
def test_a_folder_that_is_never_full_is_given_up_and_taken_when_it_is(world: World) -> None:
    settled = {"set": [], "count": 2}
    world.drop("run/a", "1")
    _later(_source(world, **settled), 0)
    (refusal,) = _later(_source(world, **settled), 4000).taken.quarantined
    assert "1 of 2" in refusal.findings[0].text
    world.drop("run/b", "2")
    assert _later(_source(world, **settled), 4100).taken.added == 2
    with world.catalogue.read() as connection:
        assert quarantine.show(connection, refusal.id).state == "RELEASED"


@both
def test_files_that_a_list_of_checksums_names_are_held_against_it(world: World) -> None:
    sums = {name: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for name, text in
            {"a.fq": "good", "sub/b.fq": "meant"}.items()}  # fmt: skip
    world.drop("run/MD5SUMS.md5", "".join(f"{digits}  ./{name}\n" for name, digits in sums.items()))
    source = world.source([("reads", "reads")], READS, settled={"quiet": 0, "manifest": "*.md5"})
    world.drop("run/a.fq", "good")
    world.drop("run/other.fq", "x")
    look = world.look(source)
    waits = {each.path: each.why for each in look.pending}
    assert "/run/sub/b.fq" in waits["/run/MD5SUMS.md5"]
    assert "names it" in waits["/run/other.fq"]
    world.drop("run/sub/b.fq", "cut off")
    look = world.look(source)
    (refusal,) = look.taken.quarantined
    assert (refusal.path, refusal.findings[0].code) == ("/run/sub/b.fq", "checksum-differs")
    assert sums["sub/b.fq"] in refusal.findings[0].text
    world.drop("run/sub/b.fq", "meant", mtime=5)
    world.look(source)
    found = contents(world.catalogue, world.store, "reads")
    assert (found["/run/a.fq"], found["/run/sub/b.fq"], len(found)) == ("good", "meant", 3)


@both
def test_a_manifest_that_cannot_be_read_waits_in_quarantine_and_its_files_for_another(world: World) -> None:
    known = types(reads={"recognise": {"name": "*.fq"}})
    settled = {"quiet": 0, "manifest": {"name": "m*.csv", "files": ["file"]}}
    source = world.source([("reads", "reads")], known, settled=settled)
    world.drop("manifest.csv", "name,md5\na.fq,0\n")
    world.drop("a.fq", "1")
    look = world.look(source)
    assert [(each.path, each.findings[0].code) for each in look.taken.quarantined] == [
        ("/manifest.csv", "manifest-unreadable")
    ]
    assert [each.kind for each in look.pending] == ["manifest"]
    world.drop("m2.csv", "file\na.fq\n")
    assert world.look(source).taken.added == 1
    with world.catalogue.read() as connection:
        assert [each.decision for each in receipts.find(connection, receipts.Wanted(name="/m2.csv"))] == ["described"]


@pytest.mark.parametrize("catalogue", ["sqlite"], indirect=True)
def test_a_clock_that_was_set_back_lets_nothing_wait_for_ever(world: World) -> None:
    world.drop("s_R1.fq", "1")
    assert _later(_source(world), 10**8).taken.quarantined == []
    assert _later(_source(world), 0).taken.quarantined == []
    (refusal,) = _later(_source(world), 4000).taken.quarantined
    assert [each.code for each in refusal.findings] == ["set-incomplete"]
