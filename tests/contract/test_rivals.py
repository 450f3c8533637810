"""Two sources that deliver one name into one dataset: the second waits for a person instead of replacing the first."""

import time
from pathlib import Path

import pytest

from aliquot.blobs import Store
from aliquot.datasets.read import entries, resolve
from aliquot.db import Catalogue
from aliquot.intake import quarantine
from aliquot.intake.rivals import rivals_of
from aliquot.intake.settle import Clock
from aliquot.intake.source import Look, SourceIntake
from aliquot.model.lab_config import Source
from aliquot.model.reference import parse_reference
from intake_world import ANY, types

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


class Billing:
    """Two sources that deliver into one dataset."""

    def __init__(self, catalogue: Catalogue, store: Store, folder: Path) -> None:
        self.catalogue, self.store, self.folder = catalogue, store, folder
        self.ticks = 0.0
        document = {"settled": {"quiet": 0}, "accept": [{"type": "any", "into": "charges"}]}
        self.sources = {name: Source.model_validate({"watch": name, **document}) for name in ("a", "b")}
        known = types(any=ANY)
        self.intakes: dict[str, SourceIntake] = {}
        for name, source in self.sources.items():
            (folder / name).mkdir()
            self.intakes[name] = SourceIntake(
                catalogue, store, name, source, known, folder, rivals=rivals_of(name, self.sources)
            )

    def deliver(self, source: str, path: str, content: str) -> Look:
        (self.folder / source / path).write_text(content)
        self.ticks += 10
        return self.intakes[source].look(Clock(self.ticks, time.time()))

    def digests(self) -> dict[str, str]:
        with self.catalogue.read() as connection:
            return {
                each.path: each.digest for each in entries(connection, resolve(connection, parse_reference("charges")))
            }


@pytest.fixture
def billing(catalogue: Catalogue, store: Store, tmp_path: Path) -> Billing:
    return Billing(catalogue, store, tmp_path)


@both
def test_a_name_that_another_source_has_delivered_waits_for_a_person(billing: Billing) -> None:
    assert billing.deliver("a", "x.csv", "1").taken.added == 1
    before = billing.digests()
    (refused,) = billing.deliver("b", "x.csv", "2").taken.quarantined
    (finding,) = refused.findings
    assert finding.code == "delivered-by-another-source"
    assert finding.text.startswith(
        "The source b delivers /x.csv, which the source a has delivered into charges already"
    )
    assert billing.digests() == before
    with billing.catalogue.read() as connection:
        assert quarantine.show(connection, refused.id).into == "charges"
    done = quarantine.release(billing.catalogue, billing.store, refused.id, "ada", "b is right")
    assert (done.dataset, done.number) == ("charges", 2)
    assert billing.digests() != before
    # Who delivered the file that stands there now may correct it; who was overruled may not, without a word.
    assert billing.deliver("b", "x.csv", "22").taken.quarantined == []
    assert len(billing.deliver("a", "x.csv", "11").taken.quarantined) == 1


@both
def test_other_names_the_same_content_and_the_same_source_are_no_matter(billing: Billing) -> None:
    billing.deliver("a", "x.csv", "1")
    assert billing.deliver("b", "x.csv", "1").taken.unchanged == 1
    assert billing.deliver("b", "y.csv", "2").taken.added == 1
    assert billing.deliver("a", "x.csv", "11").taken.added == 1
    assert len(billing.digests()) == 2


def test_sources_with_a_dataset_each_have_no_rivals() -> None:
    def source(*datasets: str) -> Source:
        return Source.model_validate({"watch": "in", "accept": [{"type": "any", "into": each} for each in datasets]})

    sources = {"a": source("x", "y"), "b": source("y"), "c": source("z")}
    assert rivals_of("a", sources) == {"y": {"b"}}
    assert rivals_of("b", sources) == {"y": {"a"}}
    assert rivals_of("c", sources) == {}
