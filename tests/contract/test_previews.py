"""Previews of stored files on both databases: made once, kept, made again when they are gone, swept like caches."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from aliquot.blobs import Store, open_store
from aliquot.datasets.sweep import sweep
from aliquot.datasets.sweep_report import Reason
from aliquot.datasets.usage import store_use
from aliquot.db import Catalogue
from aliquot.db.tables import preview
from aliquot.formats.preview_apart import FAILED, make_apart
from aliquot.formats.table_page import Wanted
from aliquot.lab.local_files import LocalFiles
from aliquot.lab.previews import Previews, Shown
from aliquot.model.blob import Blob
from aliquot.model.errors import Invalid, Missing, Unavailable
from aliquot.model.lab_config import Retention
from datasets_world import add, put
from imzml_pair import write_pair

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)
DAY = 86_400.0
TABLE = "n,t\n" + "".join(f"{number},{number % 7}\n" for number in range(2000))
PATIENT = 30.0


@pytest.fixture
def previews(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[Previews]:
    opened = Previews(catalogue, store, tmp_path / "local")
    yield opened
    opened.close()


def stored(catalogue: Catalogue, store: Store, name: str, content: bytes | str) -> Shown:
    [entry] = put(catalogue, store, {f"/{name}": content})
    return Shown(f"/{name}", Blob(entry.digest, entry.size))


def rows(catalogue: Catalogue) -> list[tuple[str, str, str]]:
    with catalogue.read() as connection:
        found = connection.execute(select(preview).order_by(preview.c.kind, preview.c.part)).all()
    return [(row.kind, row.part, row.digest) for row in found]


def first_row(previews: Previews, shown: Shown) -> list[str]:
    return previews.table(shown, lambda table: table.page(Wanted(sort=0, descending=True), 0, 1))["rows"][0]["cells"]


@both
def test_a_preview_is_made_once_and_found_by_others(
    catalogue: Catalogue, store: Store, previews: Previews, tmp_path: Path
) -> None:
    shown = stored(catalogue, store, "plate.csv", TABLE)
    look = previews.look(shown, wait=PATIENT)
    assert look.summary
    assert look.summary["height"] == 2000
    kept = rows(catalogue)
    assert [part for _, part, _ in kept] == ["columns", "rows", "summary"]
    other = Previews(catalogue, store, tmp_path / "another")
    assert other.look(shown, wait=PATIENT).summary == look.summary
    assert first_row(other, shown) == ["1999", "4"]
    assert rows(catalogue) == kept
    other.close()


@both
def test_what_was_swept_is_made_again(catalogue: Catalogue, store: Store, previews: Previews, tmp_path: Path) -> None:
    add(catalogue, store, "plates", {"/plate.csv": TABLE})
    shown = stored(catalogue, store, "plate.csv", TABLE)
    assert previews.look(shown, wait=PATIENT).summary
    with catalogue.read() as connection:
        assert store_use(connection).previews > 1000
    now = time.time()
    assert sweep(catalogue, store, Retention(), dry_run=True, now=now + 29 * DAY).total.later == 0
    assert sweep(catalogue, store, Retention(), dry_run=False, now=now + 31 * DAY).shares[Reason.PREVIEW].later == 3
    assert sweep(catalogue, store, Retention(), dry_run=False, now=now + 33 * DAY).shares[Reason.PREVIEW].now == 3
    assert rows(catalogue) == []
    again = Previews(catalogue, store, tmp_path / "another")
    assert again.look(shown, wait=PATIENT).summary
    assert first_row(again, shown) == ["1999", "4"]
    again.close()
    # Those that were open before the sweep look again, too.
    assert first_row(previews, shown) == ["1999", "4"]


@both
def test_a_preview_goes_with_its_file(catalogue: Catalogue, store: Store, previews: Previews) -> None:
    shown = stored(catalogue, store, "plate.csv", TABLE)
    assert previews.look(shown, wait=PATIENT).summary
    now = time.time()
    for days in (0, 2, 4, 6):
        sweep(catalogue, store, Retention(), dry_run=False, now=now + days * DAY)
    assert rows(catalogue) == []


def test_a_look_keeps_a_preview_from_being_swept(
    catalogue: Catalogue, store: Store, previews: Previews, tmp_path: Path
) -> None:
    add(catalogue, store, "plates", {"/plate.csv": TABLE})
    shown = stored(catalogue, store, "plate.csv", TABLE)
    assert previews.look(shown, wait=PATIENT).summary
    with catalogue.write() as connection:
        connection.execute(update(preview).values(used_at=time.time() - 40 * DAY))
    other = Previews(catalogue, store, tmp_path / "another")
    assert other.look(shown, wait=PATIENT).summary
    other.close()
    assert sweep(catalogue, store, Retention(), dry_run=True).shares[Reason.PREVIEW].later == 0


def test_other_code_makes_it_again(catalogue: Catalogue, store: Store, previews: Previews, tmp_path: Path) -> None:
    shown = stored(catalogue, store, "a.json", '{"a": 1}')
    assert previews.look(shown, wait=PATIENT).summary
    with catalogue.write() as connection:
        connection.execute(update(preview).values(code=0))
    other = Previews(catalogue, store, tmp_path / "another")
    assert other.look(shown, wait=PATIENT).summary
    with catalogue.read() as connection:
        assert connection.execute(select(preview.c.code)).scalars().all() == [1]
    other.close()


def test_a_pair_is_looked_at_before_its_index_is_there(catalogue: Catalogue, store: Store, previews: Previews,
                                                       tmp_path: Path) -> None:  # fmt: skip
    mz = np.linspace(100, 200, 50_000)
    spectra = [(mz, np.full(len(mz), float(number), dtype=np.float32)) for number in range(120)]
    xml, ibd = write_pair(tmp_path, "continuous", spectra, [(x, y) for y in range(1, 11) for x in range(1, 13)])
    first = stored(catalogue, store, "a.imzML", xml.read_bytes())
    second = stored(catalogue, store, "a.ibd", ibd.read_bytes())
    shown = Shown(first.name, first.blob, second.blob)
    early = previews.image(shown, lambda pair: pair.ion_image(150.0, 0.1, "da").document())
    assert early["max"] > 0
    # Larger than what is made in this process: another makes it.
    look = previews.look(shown, wait=PATIENT)
    assert look.summary
    assert look.summary["points"] == 50_000
    late = previews.image(shown, lambda pair: (pair.ion_image(150.0, 0.1, "da").document(), pair.summary))
    assert late[0] == early
    assert late[1]["shape"]["kind"] == "cube"
    assert {kind for kind, _, _ in rows(catalogue)} == {"imzml", "imzml-places"}
    assert previews.look(first, wait=PATIENT).summary == {
        "kind": "imzml",
        "findings": [{
            "code": "ibd-missing",
            "text": "The .ibd file that belongs to this .imzML is not beside it: without it, there is nothing to show.",
            "severity": "error",
        }],
    }  # fmt: skip
    with pytest.raises(Missing, match="not beside it"):
        previews.image(first, lambda pair: pair)


def test_what_breaks_the_program_that_reads_a_file_is_a_finding(tmp_path: Path) -> None:
    made = make_apart("no-such-kind", [], tmp_path)
    assert made.summary["findings"][0]["code"] == FAILED
    assert not made.parts
    (tmp_path / "a.json").write_text("{}")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert make_apart("json", [tmp_path / "a.json"], folder).summary["kind"] == "json"
    assert not list(folder.iterdir())


def test_files_are_asked_only_what_they_are(catalogue: Catalogue, store: Store, previews: Previews) -> None:
    shown = stored(catalogue, store, "a.json", '{"a": 1}')
    with pytest.raises(Invalid, match="not shown as a table"):
        first_row(previews, shown)
    empty = stored(catalogue, store, "nothing.csv", "")
    assert previews.look(empty).summary == {"kind": "empty"}
    broken = stored(catalogue, store, "broken.png", b"\x89PNG\r\n\x1a\n nothing")
    look = previews.look(broken, wait=PATIENT).summary
    assert look
    assert look["findings"][0]["code"] == "picture-damaged"
    with pytest.raises(Invalid, match="picture"):
        previews.picture(broken)


def test_a_file_too_large_for_its_kind_is_shown_by_its_beginning(
    catalogue: Catalogue, store: Store, previews: Previews
) -> None:
    shown = stored(catalogue, store, "large.json", "[" + "1,\n" * 2_000_000 + "1]")
    look = previews.look(shown, wait=PATIENT)
    assert look.summary
    assert (look.kind, look.summary["whole"], look.summary["lines"][0]) == ("text", False, "[1,")
    assert "too large" in look.summary["note"]


def test_a_store_without_a_folder_has_its_files_in_a_cache(catalogue: Catalogue, tmp_path: Path) -> None:
    store = open_store("memory:///")
    previews = Previews(catalogue, store, tmp_path / "local")
    shown = stored(catalogue, store, "plate.csv", TABLE)
    assert previews.look(shown, wait=PATIENT).summary
    assert first_row(previews, shown) == ["1999", "4"]
    # Somebody empties the cache below our feet.
    shutil.rmtree(tmp_path / "local")
    other = stored(catalogue, store, "other.csv", TABLE.replace("1999", "2001"))
    assert first_row(previews, other) == ["2001", "4"]
    previews.close()


def test_the_cache_has_bounds(catalogue: Catalogue, tmp_path: Path) -> None:
    store = open_store("memory:///")
    local = LocalFiles(store, tmp_path / "cache", room=250_000)
    places = [store.put_bytes(bytes([number]) * 100_000) for number in range(4)]
    for place in places:
        assert local.path(place).read_bytes()[0] == store.read(place)[0]
    assert sum(file.stat().st_size for file in (tmp_path / "cache").iterdir()) <= 250_000
    assert local.path(places[0]).stat().st_size == 100_000


def test_many_who_look_at_once_wait_for_one_making(catalogue: Catalogue, store: Store, previews: Previews) -> None:
    shown = stored(catalogue, store, "plate.csv", TABLE)
    found: list[str] = []

    def look() -> None:
        try:
            found.append(json.dumps(previews.look(shown, wait=PATIENT).summary))
        except Unavailable as error:  # pragma: no cover
            found.append(error.code)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(rows(catalogue)) == 3
