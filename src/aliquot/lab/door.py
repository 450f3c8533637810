"""Deciding about refused files with what the lab's definitions say: their types, and the rules of their sources.

The same checks and the same audit, whether a page, a program or a command asks.
"""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from aliquot.access import audit
from aliquot.access.by import By, require_may
from aliquot.access.projects import project_of_held
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.datasets.commit import Committed
from aliquot.intake import quarantine, thread
from aliquot.intake import resubmit as resubmitting
from aliquot.intake.decided import Entered, Taken
from aliquot.intake.describe import Given, with_given
from aliquot.intake.judge import Rule
from aliquot.intake.quarantine import Held
from aliquot.lab import acts_data
from aliquot.lab.belonging import may_fill
from aliquot.lab.definitions import file_types
from aliquot.lab.lab import Lab

_HAND = "hand:"


def resubmit(
    lab: Lab, by: By, id_: int, files: Sequence[Path], because: str, given: Given | None = None
) -> Taken:  # fmt: skip
    """Judge corrected files in the place of refused ones, by the rules under which those had come."""
    held, project = _held(lab, id_)
    require_may(by, "quarantine.resubmit", project, f"quarantine {id_}")
    rules = rules_of(lab, held)
    with lab.catalogue.read() as connection:
        within = {each: may_fill(lab, connection, by, each, project) for each in sorted({rule.into for rule in rules})}
    before = {"state": held.state, "path": held.path, "counts": dict(held.counts)}

    def note(connection: Connection, entered: Entered) -> None:
        made = entered.version if entered.version and entered.version.new else None
        after = {
            "because": because,
            "versions": [f"{made.dataset}@{made.number}"] if made else [],
            "quarantined": [each.id for each in entered.quarantined],
        }
        subject = f"quarantine {id_}"
        audit.append(connection, by, "quarantine.resubmit", subject, project=project, before=before, after=after)

    return resubmitting.resubmit(
        lab.catalogue, lab.store, id_, files, by.name, because, rules, given, project=project, within=within,
        beside=note,
    )  # fmt: skip


def assign(lab: Lab, by: By, id_: int, to: str | None) -> None:
    """Say who shall decide about refused files, as `thread.assign`."""
    held, project = _held(lab, id_)
    require_may(by, "quarantine.assign", project, f"quarantine {id_}")

    def work(connection: Connection) -> None:
        thread.assign(connection, id_, to, by.name)
        before, after = {"assigned_to": held.assigned_to}, {"assigned_to": to}
        subject = f"quarantine {id_}"
        audit.append(connection, by, "quarantine.assign", subject, project=project, before=before, after=after)

    lab.catalogue.repeat(work)


def release(
    lab: Lab, by: By, id_: int, because: str, into: str | None = None, *, over_newer: bool = False,
    given: Given | None = None,
) -> Committed:  # fmt: skip
    """Take refused files into their dataset after all, with what is said of them by now."""
    described = None
    if given:
        held, _ = _held(lab, id_)
        with lab.catalogue.read() as connection:
            type_ = file_types(connection).get(held.type or "")
        described = with_given(type_, held.described, given)
    return acts_data.release(
        lab, by, id_, because, into, over_newer=over_newer, described=described
    )  # fmt: skip


def rules_of(lab: Lab, held: Held) -> list[Rule]:
    """Give the rules by which a file is judged that had come from the same source, or by hand for the same dataset."""
    with lab.catalogue.read() as connection:
        types = file_types(connection)
    sources = lab.config.sources
    if held.source in sources:
        accept = sources[held.source].accept
    else:
        into = held.into or held.source.removeprefix(_HAND)
        accept = [rule for source in sources.values() for rule in source.accept if rule.into == into]
    rules = {(rule.into, rule.type): Rule(rule.into, types[rule.type]) for rule in accept if rule.type in types}
    if not rules and held.type in types and held.into:
        return [Rule(held.into, types[held.type])]
    return list(rules.values()) or [Rule(held.into or held.source.removeprefix(_HAND))]


def _held(lab: Lab, id_: int) -> tuple[Held, str]:
    with lab.catalogue.read() as connection:
        return quarantine.show(connection, id_), project_of_held(connection, id_) or DEFAULT_PROJECT
