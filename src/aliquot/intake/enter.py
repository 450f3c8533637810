"""Decisions into the catalogue: versions, quarantine and receipts, each in one transaction with what belongs to it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from aliquot.datasets import places
from aliquot.datasets.commit import Change, Committed, Draft, commit
from aliquot.datasets.delta import NewEntry, Origin
from aliquot.intake.aside import put_aside, receipts_for, replace_held
from aliquot.intake.decided import Decided, Entered, Intake, Part, Refusal, Taken
from aliquot.intake.delivery import Delivery
from aliquot.intake.judge import Judgement, refusal
from aliquot.intake.receipts import NewReceipt, decide, write
from aliquot.intake.reconcile import DESCRIBED, one_at_a_time
from aliquot.intake.rivals import delivered_by_rivals
from aliquot.intake.unpacked import gone_members
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import Invalid
from aliquot.model.finding import Finding

Where = Mapping[Digest, Location]

COMPLETED = "It was accepted when it came again, or when what it lacked came."


def enter(intake: Intake, decided: Sequence[Decided], where: Where, taken: Taken) -> None:
    """Write what was decided: a version for each dataset, then what changes no dataset."""
    groups: dict[str, list[Decided]] = {}
    rest: list[Decided] = []
    for each in decided:
        if each.enters and each.judgement and each.judgement.into:
            groups.setdefault(each.judgement.into, []).append(each)
        else:
            rest.append(each)
    for into, group in groups.items():
        free, refused = _without_rivals(intake, into, group)
        rest += refused
        rest += _commit(intake, into, free, where, taken)
    if rest:
        _write_rest(intake, rest, where, taken)
    taken.safe += [file for each in decided for file in each.landing.files]


def _without_rivals(intake: Intake, into: str, group: list[Decided]) -> tuple[list[Decided], list[Decided]]:
    """Part a group into what may enter a dataset and what would replace files that another source has delivered."""
    rivals = intake.rivals.get(into)
    if not rivals:
        return group, []
    files = [(part.path, part.digest) for each in group for part in each.entering]
    with intake.catalogue.read() as connection:
        taken = delivered_by_rivals(connection, into, rivals, files)
    free: list[Decided] = []
    refused: list[Decided] = []
    for each in group:
        path = next((part.path for part in each.entering if part.path in taken), None)
        if path is None:
            free.append(each)
            continue
        sentence = (
            f"The source {intake.source} delivers {path}, which the source {taken[path]} has delivered into {into} "
            "already, with other content. Give the file another name; or release it, and it takes the other's place."
        )
        refused.append(_refused_for(each, Finding("delivered-by-another-source", sentence, file=path)))
    return free, refused


def _commit(intake: Intake, into: str, group: Sequence[Decided], where: Where, taken: Taken) -> list[Decided]:
    """Commit what enters one dataset; gives back what cannot, since its path is taken by a folder or a file."""
    out: list[Decided] = []
    while group:
        try:
            _commit_all(intake, into, group, where, taken)
        except Invalid as error:
            stop = str(error.facts.get("path", ""))
            clashing = [each for each in group if any(_touches(part.path, stop) for part in each.entering)]
            if error.code not in {"path-clash", "path-refused"} or not clashing:
                raise
            out += [_refused_for(each, Finding(error.code, error.message, file=stop)) for each in clashing]
            group = [each for each in group if each not in clashing]
        else:
            break
    return out


def _touches(path: str, stop: str) -> bool:
    return path == stop or path.startswith(stop + "/")


def _refused_for(each: Decided, finding: Finding) -> Decided:
    assert each.judgement is not None
    return each._replace(judgement=refusal(each.judgement, finding), good=None, refused=None)


def _commit_all(intake: Intake, into: str, group: Sequence[Decided], where: Where, taken: Taken) -> None:
    stamp, now = time.time_ns(), time.time()
    delivery = Delivery(intake, group)
    adds = [*delivery.entries(intake.source), *_entries(intake, delivery.alone)]
    parts = [part for each in group for part in (*each.parts, *each.entering, each.refused) if part]
    needed = _locations(where, parts)
    refused: list[Refusal] = []

    def receipts(connection: Connection, draft: Draft) -> Mapping[str, int]:
        one_at_a_time(connection, intake.source)
        places.record(connection, needed)
        fresh = {entry.path for entry in draft.adds}
        halves = [each for each in group if each.refused]
        refused[:], rows = put_aside(connection, intake, halves, stamp)
        collective, paths, same = delivery.receipts(draft, fresh, stamp)
        rows += _accepted(intake, [*delivery.alone, *same], fresh, stamp)
        for each in delivery.alone:
            if each.waiting is not None:
                decide(connection, each.waiting, "RELEASED", intake.who, COMPLETED, now, draft.number)
        if intake.resubmits:
            replace_held(connection, intake.resubmits, intake.who, now, draft.number)
        ids = iter(write(connection, intake.source, intake.who, now, [*collective, *rows], draft.number))
        found = {path: id_ for together, id_ in zip(paths, ids, strict=False) for path in together}
        found |= {row.path: id_ for row, id_ in zip(rows, ids, strict=True) if row.quarantine_id is None}
        unpacked = [each for each in group if each.members is not None]
        return found | {part.path: found[each.parts[0].path] for each in unpacked for part in each.entering}

    provenance: dict[str, Any] = {"intake": intake.source, "who": intake.who}
    if intake.resubmits:
        provenance |= {"resubmits": intake.resubmits.id, "because": intake.resubmits.because}
    gone = gone_members(intake.catalogue, into, group)
    within = intake.within.get(into)
    change = Change(
        into, adds, gone, provenance=provenance, project=within or intake.project, within=within, receipts=receipts
    )

    def beside(connection: Connection, done: Committed) -> None:
        if intake.beside:
            intake.beside(connection, Entered(done, done.added, len(adds) - done.added, refused))

    done = commit(intake.catalogue, intake.store, change, beside)
    taken.added += done.added
    taken.unchanged += len(adds) - done.added
    taken.quarantined += refused
    if done.new:
        taken.versions.append(done)


def _entries(intake: Intake, group: Iterable[Decided]) -> list[NewEntry]:
    entries: list[NewEntry] = []
    for each in group:
        origin = Origin(intake.source, each.landing.seen_at)
        described = {"described": dict(each.judgement.described)} if each.judgement and each.judgement.described else {}
        if each.good:
            said = {**origin.document(each.good.path), "digest": each.parts[0].digest}
            entries.append(NewEntry(*each.good, said | described))
        elif each.members is not None:
            archive = each.parts[0]
            said = {**origin.document(archive.path), "digest": archive.digest, "size": archive.size} | described
            entries += [NewEntry(*part, said) for part in each.members]
        elif described:
            entries += [NewEntry(*part, origin.document(part.path) | described) for part in each.parts]
        else:
            entries += [NewEntry(*part, origin) for part in each.parts]
    return entries


def _accepted(intake: Intake, group: Sequence[Decided], fresh: set[str], stamp: int) -> list[NewReceipt]:
    rows: list[NewReceipt] = []
    of: Judgement | None = None
    type_name: str | None = None
    for each in group:
        landing, judgement = each.landing, each.judgement
        assert judgement is not None
        decision = "accepted" if not fresh.isdisjoint([part.path for part in each.entering]) else "unchanged"
        if each.good or intake.resubmits or not judgement.plain:
            notes = intake.notes(judgement)
            if each.good:
                notes["split"] = {**judgement.facts["split"], "digest": each.good.digest}
            rows += receipts_for(intake, each, each.parts, decision, stamp, notes=notes)
            continue
        # By thousands, and all of one judgement.
        if judgement is not of:
            of, type_name = judgement, judgement.type_name
        rows += [
            NewReceipt(
                file.path, part.size, stamp if intake.by_hand else file.mtime_ns, part.digest, landing.seen_at,
                landing.settled_at, decision, type_name, judgement.into, part.path, None, None,
                file.version,                None if intake.by_hand else file.changed_ns or None,
            )
            for file, part in zip(landing.files, each.parts, strict=True)
        ]  # fmt: skip
    return rows


def _write_rest(intake: Intake, rest: Sequence[Decided], where: Where, taken: Taken) -> None:
    """Write what changes no dataset: refusals, and receipts for what is there already."""
    stamp, now = time.time_ns(), time.time()
    needed = _locations(where, [part for each in rest for part in each.parts])
    same = [each for each in rest if each.judgement is None]
    said = [each for each in rest if each.judgement and each.judgement.accepted]
    unchanged = sum(len(each.parts) for each in same)

    def work(connection: Connection) -> list[Refusal]:
        one_at_a_time(connection, intake.source)
        places.record(connection, needed)
        no = [each for each in rest if each.judgement and not each.judgement.accepted]
        refused, rows = put_aside(connection, intake, no, stamp)
        for each in same:
            rows += receipts_for(intake, each, each.parts, "unchanged", stamp)
        for each in said:
            rows += receipts_for(intake, each, each.parts, DESCRIBED, stamp)
            if each.waiting is not None:
                decide(connection, each.waiting, "RELEASED", intake.who, COMPLETED, now)
        write(connection, intake.source, intake.who, now, rows)
        if intake.beside:
            intake.beside(connection, Entered(None, 0, unchanged, refused))
        return refused

    taken.quarantined += intake.catalogue.repeat(work)
    taken.unchanged += unchanged


def _locations(where: Where, parts: Iterable[Part]) -> list[Location]:
    # What has been stored before is where the catalogue says already.
    return [where[digest] for digest in dict.fromkeys(part.digest for part in parts) if digest in where]
