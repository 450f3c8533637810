"""Uploads as corrected files in the place of refused ones."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from aliquot.access.by import By, require_may
from aliquot.access.projects import project_of_held
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.intake.describe import Given
from aliquot.lab.acts_upload import laid_out, outcome_of, require_complete
from aliquot.lab.door import resubmit
from aliquot.lab.lab import Lab
from aliquot.model.errors import Invalid


def resubmit_uploads(
    lab: Lab, by: By, id_: int, ids: Sequence[str], because: str,
    described: Mapping[str | None, Mapping[str, str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Judge complete uploads in the place of what was refused; the same again gives the same.

    What is given has the values of `described`, as `take_uploads` has them. An upload that lacks bytes is `Conflict`.
    """
    with lab.catalogue.read() as connection:
        project = project_of_held(connection, id_) or DEFAULT_PROJECT
    require_may(by, "quarantine.resubmit", project, f"quarantine {id_}")
    if not ids:
        raise Invalid("upload-nothing", "Nothing was sent; choose a file first.")
    uploads, place = lab.uploads, f"quarantine {id_}"
    with ExitStack() as stack:
        for each in (uploads.get(by, each) for each in sorted(set(ids))):
            stack.enter_context(uploads.held(each))
        wanted = [uploads.get(by, each) for each in sorted(set(ids))]
        told = wanted[0].outcome
        if told and told["into"] == place and all(each.outcome == told for each in wanted):
            return told
        require_complete(wanted)
        with laid_out(uploads, wanted) as folder:
            paths = [folder / each.path[1:] for each in wanted]
            given = Given(described, by.name) if described else None
            taken = resubmit(lab, by, id_, paths, because, given)
        outcome = outcome_of(place, wanted, taken, ())
        for each in wanted:
            uploads.end(each, outcome)
    return outcome
