"""What takes how many bytes, on both databases."""

import pytest

from aliquot.blobs import Store
from aliquot.datasets.usage import dataset_uses, run_uses, store_use
from aliquot.db import Catalogue
from datasets_world import add, put

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)


@both
def test_datasets_share_what_is_equal_and_keep_their_history(catalogue: Catalogue, store: Store) -> None:
    add(catalogue, store, "one", {"/a": "x" * 1000, "/b": "y" * 100})
    add(catalogue, store, "one", {"/b": "z" * 10})
    add(catalogue, store, "two", {"/c": "x" * 1000, "/d": "x" * 1000})
    put(catalogue, store, {"/nothing": "n" * 7})
    with catalogue.read() as connection:
        one, two = sorted(dataset_uses(connection), key=lambda each: each.dataset)
        [alone] = dataset_uses(connection, "two")
        whole = store_use(connection)
        runs = run_uses(connection)
    assert (one.files, one.bytes, one.versions, one.stored, one.own) == (2, 1010, 2, 1110, 110)
    assert (two.files, two.bytes, two.versions, two.stored, two.own) == (2, 2000, 1, 1000, 0)
    assert alone == two
    assert whole.datasets == 1110
    assert whole.rest > 7, "deltas, and what nothing names"
    assert whole.total == whole.datasets + whole.rest
    assert runs == []
