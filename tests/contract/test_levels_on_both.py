"""Levels of folders on both databases."""

import pytest

from aliquot.blobs import open_store
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.read import at, find_dataset
from aliquot.datasets.tree import COUNTED, level
from aliquot.db import Catalogue
from aliquot.model.digest import digest_bytes

pytestmark = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


def test_folders_are_counted(catalogue: Catalogue) -> None:
    paths = ["/a/b/c", "/a/d", "/a0", "/ö 'x'/1", *(f"/many/{n:03}" for n in range(COUNTED + 5))]
    adds = [NewEntry(path, digest_bytes(path.encode()), len(path)) for path in paths]
    commit(catalogue, open_store("memory:///"), Change("texts", adds, ()))
    for few in (0, 1_000):
        with catalogue.read() as connection:
            found = level(connection, at(connection, find_dataset(connection, "texts"), 1), few=few)
        assert {each.name: each.files for each in found.folders} == {"a": 2, "many": COUNTED + 1, "ö 'x'": 1}
        assert [each.name for each in found.files] == ["a0"]
