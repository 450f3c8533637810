"""Taking uploads in: together, checked and put aside as files that are given by hand are."""

import os
import shutil
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aliquot.access.by import By, require_may
from aliquot.intake.decided import Taken
from aliquot.intake.describe import Given
from aliquot.lab.accepted import types_for
from aliquot.lab.acts_data import ingest
from aliquot.lab.belonging import may_fill, project_to_be
from aliquot.lab.lab import Lab
from aliquot.lab.projects import require_project
from aliquot.lab.uploads import Upload, Uploads
from aliquot.model.digest import Digest
from aliquot.model.errors import Conflict, Invalid
from aliquot.model.finding import Finding
from aliquot.model.reference import DEFAULT_PROJECT, require_name

_FINDINGS = 10


@dataclass(frozen=True, slots=True)
class Checked:
    """By what files are checked: the types that sources accept into the dataset, one that is named, or nothing."""

    type: str | None = None
    unchecked: bool = False


BY_SOURCES = Checked()


def may_upload(lab: Lab, by: By, dataset: str, project: str = DEFAULT_PROJECT) -> str:
    """Refuse somebody who may not put files into a dataset, or make it in a project; gives the dataset's project."""
    require_name("dataset", dataset)
    with lab.catalogue.read() as connection:
        found = may_fill(lab, connection, by, dataset, project)
        if project_to_be(lab, connection, dataset) is None:
            require_project(lab, project)
    return found


def may_begin(lab: Lab, by: By, into: str, project: str) -> str:
    """Refuse somebody who may not upload, and give the project for which they do; either may be empty for not said.

    What nobody said is the project of a token for one; empty then for what is its person's alone.
    """
    if into:
        return may_upload(lab, by, into, project or DEFAULT_PROJECT)
    if project:
        require_may(by, "dataset.ingest", project, f"project {project}")
        return require_project(lab, project)
    return by.rights.only or ""


def take_uploads(
    lab: Lab, uploads: Uploads, by: By, ids: Sequence[str], dataset: str,
    described: Mapping[str | None, Mapping[str, str]] | None = None, project: str = DEFAULT_PROJECT,
    *, checked: Checked = BY_SOURCES,
) -> dict[str, Any]:  # fmt: skip
    """Take complete uploads into a dataset together, and give what became of them; the same again gives the same.

    `described` are values for what the types ask under `describe`, by type or under None for all. An upload that lacks
    bytes is `Conflict`. Whoever wants them `checked` otherwise than the sources say must be one who may let in what a
    check has refused.
    """
    project = may_upload(lab, by, dataset, project)
    if checked != BY_SOURCES:
        require_may(by, "quarantine.release", project, f"dataset {dataset}")
    if not ids:
        raise Invalid("upload-nothing", "Nothing was sent; choose a file first.")
    wanted = [uploads.get(by, each) for each in sorted(set(ids))]
    with ExitStack() as stack:
        for each in wanted:
            stack.enter_context(uploads.held(each))
        wanted = [uploads.get(by, each.id) for each in wanted]
        told = wanted[0].outcome
        if told and told["into"] == dataset and all(each.outcome == told for each in wanted):
            return told
        require_complete(wanted)
        outcome = _take(lab, uploads, by, wanted, dataset, described, project, checked)
        for each in wanted:
            uploads.end(each, outcome)
    return outcome


def require_complete(wanted: Sequence[Upload]) -> None:
    """Refuse uploads that lack bytes, or that have been taken in."""
    for each in wanted:
        if each.outcome:
            raise Conflict("upload-taken", f"{each.path} has been taken in already; send it again.", path=each.path)
        if not each.complete:
            sentence = f"{each.path} has {each.offset} of {each.size} bytes by now; send the rest first."
            raise Conflict("upload-incomplete", sentence, path=each.path, offset=each.offset, size=each.size)


@contextmanager
def laid_out(uploads: Uploads, wanted: Sequence[Upload]) -> Generator[Path]:
    """Give a folder in which uploads lie under their paths, for as long as it is open."""
    paths = [each.path for each in wanted]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise Invalid("path-twice", f"Two of the files would both be {twice} in the dataset; send them one after the "
                      "other.", path=twice)  # fmt: skip
    folder = uploads.folder / f"take-{uuid.uuid4().hex}"
    try:
        for each in wanted:
            target = folder / each.path[1:]
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                # As new as if it had just been written: what lies in the store unnamed is kept by its age.
                os.utime(uploads.data(each))
                os.link(uploads.data(each), target)
            except (FileExistsError, NotADirectoryError) as error:
                sentence = f"{each.path} is a file and a folder at once; send them one after the other."
                raise Invalid("path-clash", sentence, path=each.path) from error
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take(
    lab: Lab, uploads: Uploads, by: By, wanted: Sequence[Upload], dataset: str,
    described: Mapping[str | None, Mapping[str, str]] | None, project: str, checked: Checked,
) -> dict[str, Any]:  # fmt: skip
    types = [] if checked.unchecked else types_for(lab, dataset, checked.type)
    given = Given(described, by.name) if described else None
    with laid_out(uploads, wanted) as folder:
        hashed = {each.path: Digest(each.digest) for each in wanted}
        taken, passed_over = ingest(lab, by, dataset, [folder], types, project, given, hashed)
    if taken.changing:
        sentence = f"{taken.changing[0].path} changed while it was read; take the uploads in again."
        raise Conflict("file-changed", sentence, path=taken.changing[0].path)
    return outcome_of(dataset, wanted, taken, passed_over)


def outcome_of(
    dataset: str, wanted: Sequence[Upload], taken: Taken, passed_over: Sequence[Finding]
) -> dict[str, Any]:  # fmt: skip
    """Give what became of uploads as the API tells it."""
    return {
        "into": dataset,
        "files": [{"path": each.path, "size": each.size, "digest": each.digest} for each in wanted],
        "versions": [each.number for each in taken.versions if each.new],
        "made": [
            {"dataset": each.dataset, "version": each.number, "added": each.added, "removed": each.removed,
             "new": each.new}
            for each in taken.versions
        ],
        "added": taken.added,
        "unchanged": taken.unchanged,
        "quarantined": [
            {
                "id": each.id, "path": each.path, "counts": dict(each.counts),
                "findings": [finding.document() for finding in each.findings[:_FINDINGS]],
            }
            for each in taken.quarantined
        ],
        "unreadable": [finding.document() for finding in (*taken.unreadable, *passed_over)],
    }  # fmt: skip
