"""Taking files in because a person named them, without a source."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from aliquot.access.projects import project_of_dataset
from aliquot.blobs import Store
from aliquot.blobs.batch import MANY_FILES
from aliquot.blobs.readers import useful_readers
from aliquot.db import Catalogue
from aliquot.intake.arriving import RESTED_NS
from aliquot.intake.decided import NO_DIGESTS, Beside, Intake, Taken
from aliquot.intake.describe import Given, require_known
from aliquot.intake.judge import Rule, companions_of
from aliquot.intake.scan import File, look_at, one_file, paths_below, scan, shown
from aliquot.intake.settle import Clock, Landing, Settling
from aliquot.intake.take import BATCH_FILES, take
from aliquot.intake.unseen import deliveries, take_arriving, take_unseen
from aliquot.model.collector import seldom
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid, Missing
from aliquot.model.file_type import FileType
from aliquot.model.finding import Finding
from aliquot.model.lab_config import Settled
from aliquot.model.reference import DEFAULT_PROJECT, require_name

_NEW_OBJECTS = 500_000
"""More than the largest version makes of those that stay: a search among them would find nothing, some times over."""


@seldom(_NEW_OBJECTS)
def ingest(
    catalogue: Catalogue,
    store: Store,
    dataset: str,
    paths: Sequence[Path],
    who: str,
    types: Sequence[FileType] = (),
    project: str = DEFAULT_PROJECT,
    given: Given | None = None,
    hashed: Mapping[str, Digest] = NO_DIGESTS,
    *,
    within: str | None = None,
    beside: Beside | None = None,
) -> tuple[Taken, tuple[Finding, ...]]:
    """Take files into a dataset, with what was passed over: of a folder the files below it, with their paths in it.

    With `types`, the first that recognises a file says how it is checked, and what none recognises goes to quarantine;
    without, everything is accepted unread. `project` is the one that the dataset shall belong to, if it is new; `given`
    is what the person says of the files, `hashed` digests of files that nobody else can reach. A path that is not there
    is `Missing`; two files of one name are `Invalid`; a dataset that is of another project than `within` is `Conflict`.
    `beside` joins each transaction in which something is taken in.
    """
    require_name("dataset", dataset)
    if given:
        require_known(given, types)
    rules = [Rule(dataset, each) for each in types] or [Rule(dataset)]
    with catalogue.read() as connection:
        project = project_of_dataset(connection, dataset) or project
    name = receipts_name(dataset)
    intake = Intake(
        catalogue, store, name, rules, who, by_hand=True, project=within or project, given=given, hashed=hashed,
        within={} if within is None else {dataset: within}, beside=beside,
    )  # fmt: skip
    taken = Taken()
    if not types and not hashed and len(paths) == 1 and paths[0].is_dir():
        return taken, _take_folder(intake, paths[0], taken)
    files, findings = find_files(paths)
    if types:
        return take(intake, landings_of(files, rules), taken), findings
    _take_unseen(intake, files, taken)
    return taken, findings


def _take_unseen(intake: Intake, files: Sequence[File], taken: Taken) -> None:
    for part in deliveries(files):
        if not take_unseen(intake, part, taken):
            take(intake, landings_of(part, intake.rules), taken)


def _take_folder(intake: Intake, folder: Path, taken: Taken) -> tuple[Finding, ...]:
    """Take in what is below a folder, which is listed while it is read; gives what was passed over."""
    findings: list[Finding] = []
    listing = chain.from_iterable(paths_below(folder, findings.append))
    readers, before_ns = useful_readers(), time.time_ns() - RESTED_NS
    while first := list(islice(listing, MANY_FILES)):
        rest = islice(listing, BATCH_FILES - MANY_FILES)
        if readers and len(first) == MANY_FILES:
            first = take_arriving(intake, folder, chain(first, rest), readers, before_ns, taken)
        _take_unseen(intake, look_at(folder, chain(first, rest)), taken)
    return tuple(findings)


def receipts_name(dataset: str) -> str:
    """Give the name that stands for the source on receipts of files that were given by hand; no source can have it."""
    return f"hand:{dataset}"


def find_files(paths: Iterable[Path]) -> tuple[list[File], tuple[Finding, ...]]:
    """List files that a person named, of a folder those below it, and what was passed over."""
    found: dict[str, File] = {}
    findings: list[Finding] = []
    for place in paths:
        try:
            if place.is_dir():
                listing = scan(place)
                files = listing.files
                findings += listing.findings
            else:
                files = [one_file(place, "/" + place.name)]
        except OSError as error:
            text = shown(os.fspath(place))
            sentence = f"{text} cannot be read ({error.strerror}); nothing was taken in."
            raise Missing("file-missing", sentence, path=text) from error
        for file in files:
            if file.path in found:
                sentence = (
                    f"Two of the files would both be {file.path} in the dataset; take them in one after the other."
                )
                raise Invalid("path-twice", sentence, path=file.path)
            found[file.path] = file
    return list(found.values()), tuple(findings)


def landings_of(files: Sequence[File], rules: Sequence[Rule]) -> list[Landing]:
    """Put files that belong together by their types side by side; nothing is waited for."""
    clock = Clock(0.0, time.time())
    types = [rule.type for rule in rules if rule.type]
    if not any(each.set or each.describe is not None for each in types):
        return [Landing((file,), clock.at, clock.at) for file in files]
    settling = Settling(Settled(quiet=0), [each.set for each in types], companions_of(rules))
    landings = settling.see(files, clock)
    together = {file.path for landing in landings for file in landing.files}
    # Nothing more will come: what lacks a companion is for the check to tell.
    return landings + [Landing((file,), clock.at, clock.at) for file in files if file.path not in together]
