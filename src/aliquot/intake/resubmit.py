"""Corrected files in the place of refused ones: judged anew, under the same path, with the thread kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake import quarantine
from aliquot.intake.by_hand import landings_of, receipts_name
from aliquot.intake.decided import Beside, Intake, Resubmission, Taken
from aliquot.intake.describe import Given, require_known
from aliquot.intake.judge import Rule
from aliquot.intake.quarantine import Held
from aliquot.intake.scan import File, one_file
from aliquot.intake.take import take
from aliquot.model.errors import Invalid, Missing
from aliquot.model.reference import DEFAULT_PROJECT

NOTHING_ASKED: Mapping[str, str] = {}


def resubmit(
    catalogue: Catalogue,
    store: Store,
    id_: int,
    files: Sequence[Path],
    who: str,
    because: str,
    rules: Sequence[Rule],
    given: Given | None = None,
    project: str = DEFAULT_PROJECT,
    within: Mapping[str, str] = NOTHING_ASKED,
    beside: Beside | None = None,
) -> Taken:
    """Judge corrected files in the place of what was refused, which is decided by that, whatever comes of them.

    One file takes the path of one that was refused, whatever it is called; of several that came together, each is known
    by its name, and those that are not given again stay as they are. Files that are refused again wait under a new
    number. What has been decided already is `Conflict`, and so are a newer file in its place, and a dataset that is of
    another project than `within` says. `beside` joins the transaction.
    """
    quarantine.require_reason(because)
    with catalogue.read() as connection:
        held = quarantine.show(connection, id_)
        quarantine.require_waiting(held)
        for into in {rule.into for rule in rules}:
            quarantine.require_newest(connection, held, into)
    if given:
        require_known(given, [rule.type for rule in rules if rule.type])
    with TemporaryDirectory(prefix="aliquot-resubmit-") as folder:
        corrected = _corrected(held, files)
        corrected += _others(catalogue, store, held, {each.path for each in corrected}, Path(folder))
        name = receipts_name(held.into or held.source)
        resubmits = Resubmission(id_, because)
        intake = Intake(
            catalogue, store, name, rules, who, by_hand=True, project=project, within=within, given=given,
            resubmits=resubmits, beside=beside,
        )  # fmt: skip
        landings = landings_of(corrected, rules)
        if sum(not each.role for each in landings) != 1:
            sentence = f"{held.path} is decided about as a whole, and these files do not belong together by its type."
            raise Invalid("resubmit-apart", sentence, id=id_)
        return take(intake, landings)


def _corrected(held: Held, files: Sequence[Path]) -> list[File]:
    found: list[File] = []
    paths = {each.path.rpartition("/")[2]: each.path for each in held.files}
    folder = held.path.rpartition("/")[0]
    for place in files:
        path = paths.get(place.name, f"{folder}/{place.name}")
        if len(files) == len(held.files) == 1:
            path = held.files[0].path
        try:
            file = one_file(place, path)
        except OSError as error:
            sentence = f"{place} cannot be read ({error.strerror}); nothing was done."
            raise Missing("file-missing", sentence, path=str(place)) from error
        if any(each.path == path for each in found):
            raise Invalid("path-twice", f"Two of the files would both be {path}; give one of them.", path=path)
        found.append(file)
    return found


def _others(catalogue: Catalogue, store: Store, held: Held, given: set[str], folder: Path) -> list[File]:
    """Lay out the files that were refused with the corrected ones and stay as they are."""
    rest = [each for each in held.files if each.path not in given]
    if not rest:
        return []
    with catalogue.read() as connection:
        places = quarantine.held_places(connection, held)
    quarantine.require_sound(store, held, places)
    out: list[File] = []
    for number, each in enumerate(rest):
        target = folder / str(number) / each.path.rpartition("/")[2]
        target.parent.mkdir()
        store.fetch(places[each.digest], target)
        out.append(one_file(target, each.path))
    return out
