"""Who may write to a watched folder can not have rows of a file judged that the lab alone may read."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake import receipts
from aliquot.intake.decided import Intake
from aliquot.intake.describe import Given
from aliquot.intake.folder import Folder
from aliquot.intake.judge import Rule
from aliquot.intake.scan import File, walk
from aliquot.intake.settle import Landing
from aliquot.intake.source import SourceIntake
from aliquot.intake.take import take
from aliquot.model.finding import Finding
from aliquot.model.lab_config import Source
from intake_world import ANY, ROWS, World, types
from plain_user import as_plain_user

GOOD, SECRET = "id,name\n1,ada\n", "id,name\nx,eve\n"


class Asked(dict[Any, Any]):
    """Values that do something when they are asked for."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act

    def get(self, key: Any, default: Any = None) -> Any:
        self._act()
        return super().get(key, default)


class Swapped:
    """A folder at the door with a file, another with a secret of its size and time, and a link between them."""

    def __init__(self, place: Path) -> None:
        self.plates, self._aside, self._secret = place / "inbox/plates", place / "inbox/aside", place / "secret"
        self.turns = 0
        for folder in (self.plates, self._secret):
            folder.mkdir(parents=True)
        self.write(GOOD, SECRET)

    def write(self, text: str, secret: str) -> None:
        """Write the two, which are to be told apart by the system's own note of when they changed."""
        mine, other = self.plates / "a.csv", self._secret / "a.csv"
        mine.write_text(text)
        other.write_text(secret)
        os.utime(mine, (1, 1))
        os.utime(other, (1, 1))
        while other.stat().st_ctime_ns == mine.stat().st_ctime_ns:
            os.utime(other, (1, 1))

    def listed(self) -> File:
        """Give the file as a listing has it."""
        place = self.plates / "a.csv"
        now = place.stat()
        return File("/plates/a.csv", str(place), now.st_size, now.st_mtime_ns, changed_ns=now.st_ctime_ns)

    def turn(self) -> None:
        """Put the link in the folder's place, or the folder back."""
        self.turns += 1
        if self.plates.is_symlink():
            self.plates.unlink()
            self._aside.rename(self.plates)
        else:
            self.plates.rename(self._aside)
            self.plates.symlink_to(self._secret)


@pytest.fixture
def world(catalogue: Catalogue, store: Store, tmp_path: Path) -> World:
    return World(catalogue, store, tmp_path)


@pytest.fixture
def swapped(tmp_path: Path) -> Swapped:
    return Swapped(tmp_path)


def test_what_is_judged_is_the_file_that_was_listed(catalogue: Catalogue, store: Store, swapped: Swapped) -> None:
    """The link is there while the rows are read, and gone before the file is looked at again."""
    known = types(table={**ROWS, "describe": {"properties": {"note": {"type": "string"}}}})

    def while_it_is_asked_for(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "FROM receipt" in statement and not swapped.turns:
            swapped.turn()

    def when_it_was_read() -> None:
        if swapped.turns == 1:
            swapped.turn()

    event.listen(catalogue.engine, "before_cursor_execute", while_it_is_asked_for)
    given = Given(Asked(when_it_was_read), "somebody")
    intake = Intake(catalogue, store, "bench", [Rule("plates", known["table"])], "bench", given=given)
    taken = take(intake, [Landing((swapped.listed(),), 0.0, 0.0)])
    # It was another file while it was to be read: it is taken when it rests.
    assert (taken.added, [each.path for each in taken.changing]) == (0, ["/plates/a.csv"])
    assert swapped.turns >= 1
    assert not taken.quarantined


def test_rows_of_a_manifest_are_those_of_the_file_that_was_listed(
    catalogue: Catalogue, store: Store, swapped: Swapped, tmp_path: Path
) -> None:
    swapped.write("file,note\nx,1\n", "file,note\ny,2\n")
    for name in "xy":
        (swapped.plates.parent / "plates" / name).write_text(name)

    class Turning(Folder):
        def pages(self, ignore: Sequence[str], tell: Callable[[Finding], None]) -> Iterator[list[File]]:
            # The manifest is read between two listings.
            if swapped.plates.is_symlink():
                swapped.turn()
            yield from super().pages(ignore, tell)
            if not swapped.turns:
                swapped.turn()

    document = {
        "watch": "inbox", "since": "all", "settled": {"quiet": 0, "manifest": "a.csv"},
        "accept": [{"type": "any", "into": "p"}],
    }  # fmt: skip
    source = SourceIntake(
        catalogue, store, "bench", Source.model_validate(document), types(any=ANY), tmp_path,
        place=Turning(tmp_path / "inbox"),
    )  # fmt: skip
    look = source.look()
    assert swapped.turns == 2
    # The manifest is a file of the type, too.
    assert (look.taken.added, [each.path for each in look.pending]) == (2, ["/plates/y"])


def test_a_listing_goes_into_no_link_that_was_put_in_the_place_of_a_folder(swapped: Swapped) -> None:
    """It would give the secret's own size and times, with which all that is compared later agrees."""
    root = swapped.plates.parent
    (root / "link").symlink_to(root)

    def tell(_: Finding) -> None:
        # The folder was seen, or is about to be, and nobody has looked into it.
        if not swapped.turns:
            swapped.turn()

    listed = [file for page in walk(root, (), tell) for file in page]
    assert swapped.turns == 1
    assert [file.path for file in listed if "plates" in file.path] == []
    swapped.turn()
    listed = [file for page in walk(root, (), lambda _: None) for file in page]
    assert [file.path for file in listed] == ["/plates/a.csv"]
    assert listed[0].absolute == str(swapped.plates / "a.csv")


@pytest.mark.parametrize("what", ["file", "loop", "gone"])
def test_a_folder_that_is_one_no_more_loses_nothing(
    catalogue: Catalogue, store: Store, swapped: Swapped, tmp_path: Path, what: str
) -> None:
    """Whatever comes in its place between storing and judging: the source goes on."""
    aside = tmp_path / "aside"

    def while_it_is_asked_for(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "FROM receipt" in statement and not aside.exists():
            swapped.plates.rename(aside)
            if what == "file":
                swapped.plates.touch()
            elif what == "loop":
                swapped.plates.symlink_to(swapped.plates)

    known = types(table=ROWS)
    intake = Intake(catalogue, store, "bench", [Rule("plates", known["table"])], "bench")
    landing = Landing((swapped.listed(),), 0.0, 0.0)
    event.listen(catalogue.engine, "before_cursor_execute", while_it_is_asked_for)
    taken = take(intake, [landing])
    assert (taken.added, [each.path for each in taken.changing]) == (0, ["/plates/a.csv"])


def test_a_sidecar_file_that_may_not_be_read_refuses_its_file_and_no_other(world: World) -> None:
    known = types(table={**ROWS, "describe": {"properties": {"note": {"type": "string"}}}})
    source = world.source([("table", "plates")], known, since="all")
    for name in ("a.csv", "b.csv"):
        world.drop(name, GOOD)
    world.drop("a.csv.yaml", "note: x\n").chmod(0)
    look = as_plain_user(lambda: world.look(source))
    assert (look.taken.added, len(look.taken.quarantined)) == (1, 1)
    with world.catalogue.read() as connection:
        [refused] = receipts.find(connection, receipts.Wanted(name="a.csv"))
    [finding] = refused.facts["findings"]
    assert (finding["code"], finding["file"]) == ("sidecar-unreadable", "/a.csv.yaml")
    assert "cannot be read (Permission denied)" in finding["text"]


def test_a_manifest_that_was_refused_for_a_moment_is_read_later(world: World) -> None:
    known = types(any={"recognise": {"name": "*.bin"}})
    source = world.source([("any", "files")], known, since="all", settled={"quiet": 0, "manifest": "list.csv"})
    world.drop("m/a.bin", "1")
    world.drop("m/list.csv", "file\na.bin\n").chmod(0)
    assert as_plain_user(lambda: world.look(source)).taken.added == 0
    if os.geteuid() != 0:
        (world.inbox / "m/list.csv").chmod(0o644)
    look = world.look(source)
    assert (look.taken.added, look.taken.quarantined, look.pending) == (1, [], ())
