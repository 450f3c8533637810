"""Where refused files go that are taken out: below the folder that was named, and no two to the same place."""

import io
import json
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from blake3 import blake3

from aliquot.intake.held_names import place_below, targets
from aliquot.intake.quarantine import Held, HeldFile
from aliquot.model.digest import PREFIX, Digest
from aliquot.model.errors import Conflict, Damaged, Invalid
from aliquot.remote import held_export
from aliquot.remote.client import Client

OWN = b"its own bytes"


def held(*paths: str) -> Held:
    digest = Digest(PREFIX + blake3(OWN).hexdigest())
    files = tuple(HeldFile(each, digest, len(OWN)) for each in paths)
    return Held(7, "reader", paths[0], None, None, (), {}, "WAITING", 0.0, None, None, None, None, files)


class Spiteful(Client):
    """A client of a server that says what it likes: of one held set, and of the bytes of its files."""

    def __init__(self, said: Held) -> None:
        super().__init__("http://127.0.0.1:1", None)
        self._held = said

    def get(self, model: Any, path: str, /, **query: Any) -> Any:
        return self._held

    @contextmanager
    def stream(self, path: str, start: int = 0, /, **query: Any) -> Generator[httpx2.Response]:
        content = OWN
        if path.endswith("/zip"):
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w") as archive:
                archive.writestr("7/findings.csv", "")
                archive.writestr("7/quarantine.json", json.dumps({}))
                for each in self._held.files:
                    archive.writestr(f"7/files/{each.path.lstrip('/')}", OWN)
            content = out.getvalue()
        yield httpx2.Response(200, content=content)


OUTSIDE = ["/../../../../outside", "/a/../../../../../outside", "../../../../outside", "/..", "/", "/a//b", "/a\0b"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(Damaged) as raised:
        place_below(path)
    assert raised.value.code == "entry-damaged"


@pytest.mark.parametrize("path", OUTSIDE[:3])
def test_a_server_writes_nothing_outside_of_the_folder_that_was_named(path: str, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for work in (held_export.export, lambda client, _, to: held_export.write_folders(client, [7], to)):
        with Spiteful(held(path)) as client, pytest.raises(Damaged, match="leads out"):
            work(client, 7, tmp_path / "a/b")
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a", "b"]


def test_what_a_server_holds_comes_out_below_its_number(tmp_path: Path) -> None:
    with Spiteful(held("/raw/p1.csv", "/meta/p1.csv")) as client:
        held_export.write_folders(client, [7], tmp_path / "out")
    assert (tmp_path / "out/7/files/raw/p1.csv").read_bytes() == OWN
    assert (tmp_path / "out/7/files/meta/p1.csv").read_bytes() == OWN


def test_files_of_one_name_go_to_their_paths_below_the_folder_that_they_share(tmp_path: Path) -> None:
    said = held("/plates/raw/p1.csv", "/plates/meta/p1.csv", "/plates/p2.csv")
    with Spiteful(said) as client:
        written = held_export.export(client, 7, tmp_path)
    assert [str(each.relative_to(tmp_path)) for each in written] == ["raw/p1.csv", "meta/p1.csv", "p2.csv"]
    assert all(each.read_bytes() == OWN for each in written)
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 3
    with pytest.raises(Conflict, match="there already"):
        targets(said, tmp_path)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("/raw/p1.csv", "/meta/p2.csv"), ["p1.csv", "p2.csv"]),
        (("/p1.csv", "/meta/p1.csv"), ["p1.csv", "meta/p1.csv"]),
        (("/a/x/P1.csv", "/a/y/p1.csv"), ["x/P1.csv", "y/p1.csv"]),
    ],
)
def test_files_have_their_own_names_where_those_differ(
    paths: tuple[str, ...], names: list[str], tmp_path: Path
) -> None:
    assert [str(each.relative_to(tmp_path)) for each in targets(held(*paths), tmp_path).values()] == names


def test_names_that_differ_by_case_alone_and_several_for_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Conflict) as raised:
        targets(held("/a/P1.csv", "/a/p1.csv"), tmp_path)
    assert raised.value.code == "names-clash"
    with pytest.raises(Invalid) as refused:
        targets(held("/a.csv", "/b.csv"), tmp_path / "new")
    assert refused.value.code == "folder-needed"
    assert list(targets(held("/a.csv"), tmp_path / "new").values()) == [tmp_path / "new"]
