"""Levels of a version's folders, what changed between versions, and zips that are made while they are read."""

import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.blobs import Store, open_store
from aliquot.datasets.changes import changes
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.read import Version, at, find_dataset
from aliquot.datasets.tree import COUNTED, level
from aliquot.db import Catalogue, open_catalogue
from aliquot.formats.zip_stream import zip_stream
from aliquot.model.digest import digest_bytes

PATHS = ["/a0", "/a/b/c.txt", "/a.txt", "/a/b0", "/a/ö &<b>.txt", "/b/1", "/b/2", "/z"]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[Catalogue, Store]]:
    catalogue = open_catalogue("sqlite:///catalogue.db", tmp_path)
    yield catalogue, open_store("memory:///")
    catalogue.close()


def put(parts: tuple[Catalogue, Store], files: dict[str, str], remove: tuple[str, ...] = ()) -> None:
    adds = [NewEntry(path, digest_bytes(text.encode()), len(text)) for path, text in files.items()]
    commit(*parts, Change("texts", adds, remove))


@pytest.mark.parametrize("few", [0, 10_000])
def test_a_level_is_shown_in_pages(parts: tuple[Catalogue, Store], few: int) -> None:
    put(parts, dict.fromkeys(PATHS, "x") | {f"/many/{n:04}/x": "x" for n in range(COUNTED + 20)})
    put(parts, {}, ("/z",))
    with parts[0].read() as connection:
        first = at(connection, find_dataset(connection, "texts"), 1)
        for limit in (1, 2, 3, 100):
            names, start = [], ""
            while True:
                found = level(connection, first, "/", start, limit, few=few)
                names += [each.name + "/" for each in found.folders] + [each.name for each in found.files]
                start = found.next
                if not start:
                    break
            assert sorted(names) == ["a.txt", "a/", "a0", "b/", "many/", "z"]
        counts = {each.name: each.files for each in level(connection, first, few=few).folders}
        assert counts == {"a": 3, "b": 2, "many": COUNTED + 1}
        assert [each.name for each in level(connection, first, "a", few=few).files] == ["b0", "ö &<b>.txt"]
        second = at(connection, find_dataset(connection, "texts"), 2)
        assert "z" not in [each.name for each in level(connection, second, few=few).files]
        assert level(connection, first, "/none/", few=few).files == []


@pytest.mark.parametrize("few", [True, False])
def test_changes_are_those_of_the_files(parts: tuple[Catalogue, Store], few: bool) -> None:
    versions: list[dict[str, str]] = [{}]
    chosen = random.Random(3)
    for _ in range(6):
        files = {f"/{n:02}": chosen.choice("ab") for n in chosen.sample(range(40), 25)}
        put(parts, files, tuple(set(versions[-1]) - set(files)))
        versions.append(files)
    with parts[0].read() as connection:
        row = find_dataset(connection, "texts")
        for one, other in ((0, 1), (1, 6), (6, 2), (3, 4), (5, 5)):
            before, after = versions[one], versions[other]
            expected = {
                path: (before.get(path), after.get(path))
                for path in before.keys() | after.keys()
                if before.get(path) != after.get(path)
            }
            found, start = list[str](), ""
            for _ in range(20):
                sides = [at(connection, row, n) if n else Version(row.name, row.id, 0) for n in (one, other)]
                page = changes(connection, sides[0], sides[1], start, 7, 10_000 if few else 0)
                found += [each.path for each in page.files]
                assert all(
                    each.kind == {(True, False): "added", (False, True): "removed"}.get(
                        (each.before is None, each.after is None), "changed"
                    )
                    for each in page.files
                )  # fmt: skip
                start = page.next
                if not start:
                    break
            assert found == sorted(expected)


def test_a_zip_is_whole() -> None:
    files = {"a/ö.txt": b"text", "empty": b"", "large": bytes(3 << 20)}
    content = b"".join(zip_stream(((name, len(data), [data]) for name, data in files.items()), 1e9))
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        assert found.testzip() is None
        assert {name: found.read(name) for name in found.namelist()} == files
    with pytest.raises(ValueError, match="bytes"):
        list(zip_stream([("a", 2, [b"x"])], 1e9))
