"""What people do with files and versions: the same checks and the same audit, whether a page, a program or a command
asks.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from aliquot.access import audit
from aliquot.access.by import By, require_may
from aliquot.access.projects import project_of_dataset, project_of_held
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.blobs import Store
from aliquot.datasets import tags
from aliquot.datasets.commit import Committed
from aliquot.datasets.remove import remove_paths
from aliquot.datasets.sweep import sweep
from aliquot.datasets.sweep_report import SweepReport
from aliquot.db import Catalogue
from aliquot.intake import by_hand, quarantine
from aliquot.intake.decided import NO_DIGESTS, Entered, Taken
from aliquot.intake.describe import Given
from aliquot.lab.belonging import may_fill
from aliquot.lab.lab import Lab
from aliquot.model.digest import Digest
from aliquot.model.errors import Conflict
from aliquot.model.file_type import FileType
from aliquot.model.finding import Finding

Beside = Callable[[Connection], None]


def ingest(
    lab: Lab,
    by: By,
    dataset: str,
    paths: Sequence[Path],
    types: Sequence[FileType] = (),
    project: str = DEFAULT_PROJECT,
    given: Given | None = None,
    hashed: Mapping[str, Digest] = NO_DIGESTS,
) -> tuple[Taken, tuple[Finding, ...]]:
    """Take files into a dataset by hand, as `by_hand.ingest`.

    `project` is the one of a dataset that is new, and that no source or pipeline will make in another.
    """
    with lab.catalogue.read() as connection:
        project = may_fill(lab, connection, by, dataset, project)

    def note(connection: Connection, entered: Entered) -> None:
        made = entered.version
        after = {
            "versions": [made.number] if made and made.new else [], "added": entered.added,
            "unchanged": entered.unchanged, "quarantined": [each.id for each in entered.quarantined][:100],
        }  # fmt: skip
        audit.append(connection, by, "dataset.ingest", f"dataset {dataset}", project=project, after=after)

    return by_hand.ingest(
        lab.catalogue, lab.store, dataset, paths, by.name, types, project, given, hashed, within=project, beside=note
    )


def release(
    lab: Lab, by: By, id_: int, because: str, into: str | None = None, *,
    over_newer: bool = False, also: Beside | None = None, described: Mapping[str, Mapping[str, Any]] | None = None,
) -> Committed:  # fmt: skip
    """Commit what was refused after all, as `quarantine.release`; `also` joins the transaction.

    Where aliquot.yaml asks for a second person, that is where `also` writes the signature; without it, `Conflict`.
    """
    catalogue = lab.catalogue
    if also is None and lab.config.approvals.quarantine_release:
        words = "In this lab a release takes a second person: ask for approval first."
        raise Conflict("approval-needed", words, action="quarantine.release")
    with catalogue.read() as connection:
        held = quarantine.show(connection, id_)
        project = project_of_held(connection, id_) or DEFAULT_PROJECT
        require_may(by, "quarantine.release", project, f"quarantine {id_}")
        target = into or held.into
        within = may_release_into(lab, connection, by, target, project) if target else None

    def note(connection: Connection, done: Committed) -> None:
        if also:
            also(connection)
        after = {"state": "RELEASED", "dataset": done.dataset, "version": done.number, "because": because}
        before = {"state": held.state, "path": held.path, "counts": dict(held.counts)}
        audit.append(
            connection, by, "quarantine.release", f"quarantine {id_}", project=project, before=before, after=after
        )

    return quarantine.release(
        catalogue, lab.store, id_, by.name, because, into, over_newer=over_newer, beside=note, described=described,
        within=within,
    )  # fmt: skip


def may_release_into(lab: Lab, connection: Connection, by: By, dataset: str, otherwise: str) -> str:
    """Refuse somebody who may not let refused files into a dataset, and give its project."""
    return may_fill(lab, connection, by, dataset, otherwise, "quarantine.release")


def reject(catalogue: Catalogue, by: By, id_: int, because: str) -> None:
    """Keep what was refused out for good, as `quarantine.reject`."""
    with catalogue.read() as connection:
        held = quarantine.show(connection, id_)
        project = project_of_held(connection, id_) or DEFAULT_PROJECT
    require_may(by, "quarantine.reject", project, f"quarantine {id_}")
    before = {"state": held.state, "path": held.path, "counts": dict(held.counts)}

    def note(connection: Connection) -> None:
        after = {"state": "REJECTED", "because": because}
        audit.append(
            connection, by, "quarantine.reject", f"quarantine {id_}", project=project, before=before, after=after
        )

    quarantine.reject(catalogue, id_, by.name, because, note)


def move_tag(catalogue: Catalogue, by: By, dataset: str, name: str, number: int | None) -> tags.TagMove:
    """Put a tag on a version, or take it away with None, as `tags.move_tag`."""
    project = _project_of(catalogue, dataset, DEFAULT_PROJECT)
    require_may(by, "dataset.tag", project, f"dataset {dataset}")

    def note(connection: Connection, moved: tags.TagMove) -> None:
        before, after = {"tag": name, "version": moved.before}, {"tag": name, "version": moved.after}
        audit.append(
            connection, by, "dataset.tag", f"dataset {dataset}", project=project, before=before, after=after
        )  # fmt: skip

    return tags.move_tag(catalogue, dataset, name, number, by.name, note)


def remove(
    catalogue: Catalogue, store: Store, by: By, dataset: str, paths: Sequence[str], because: str,
    also: Callable[[Connection, Committed], None] | None = None,
) -> Committed:  # fmt: skip
    """Commit a version without some files, as `remove_paths`; `also` joins the transaction."""
    project = _project_of(catalogue, dataset, DEFAULT_PROJECT)
    require_may(by, "dataset.remove", project, f"dataset {dataset}")

    def note(connection: Connection, done: Committed) -> None:
        if also:
            also(connection, done)
        after = {"version": done.number, "removed": done.removed, "paths": list(paths)[:100], "because": because}
        audit.append(connection, by, "dataset.remove", f"dataset {dataset}", project=project, after=after)

    return remove_paths(catalogue, store, dataset, paths, by.name, because, note)


def sweep_store(lab: Lab, by: By, *, dry_run: bool) -> SweepReport:
    """Remove bytes that nothing needs, as `sweep`; a dry run changes nothing and leaves no row.

    Each step that changes something has its row in the transaction that does it, and the last row sums up.
    """
    require_may(by, "lab.sweep", subject="store")

    def note(connection: Connection, done: Mapping[str, int]) -> None:
        audit.append(connection, by, "lab.sweep", "store", after=dict(done))

    report = sweep(lab.catalogue, lab.store, lab.config.retention, dry_run=dry_run, beside=note)
    if not dry_run:
        lab.catalogue.repeat(lambda connection: note(connection, {"freed": report.freed, "kept": report.kept}))
    return report


def _project_of(catalogue: Catalogue, dataset: str, otherwise: str) -> str:
    with catalogue.read() as connection:
        return project_of_dataset(connection, dataset) or otherwise
