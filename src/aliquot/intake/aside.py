"""Refused landings: a row in quarantine for each, and receipts that lead to it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from aliquot.db.rows import chunks, reserve_ids
from aliquot.db.tables import held_file, quarantine, receipt
from aliquot.intake.decided import Decided, Intake, Part, Refusal, Resubmission
from aliquot.intake.receipts import NewReceipt, decide, decided_already
from aliquot.intake.reconcile import Past, newest, pasts


def put_aside(
    connection: Connection, intake: Intake, refused: Sequence[Decided], stamp: int
) -> tuple[list[Refusal], list[NewReceipt]]:
    """Insert what is refused into quarantine, and give the receipts that are still to be written.

    Bytes that wait there already get no second row, and what another process has put aside meanwhile gets nothing.
    """
    refused = _not_yet(connection, intake, refused)
    waiting = _waiting(connection, refused)
    ids = iter(reserve_ids(connection, quarantine, len(refused)) if refused else ())
    rows: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    told: list[Refusal] = []
    receipts: list[NewReceipt] = []
    for each in refused:
        judgement, path = each.judgement, each.parts[0].path
        assert judgement is not None
        parts = (each.refused,) if each.refused else each.parts
        id_ = each.waiting
        # What was given up alone waits on with what came for it, under a number of its own.
        before = id_ if id_ in waiting and waiting[id_] != {part.digest for part in parts} else None
        if id_ is None or id_ not in waiting or before is not None:
            id_ = next(ids)
            if before is not None:
                decide(connection, before, "REPLACED", intake.who, f"It waits with more as {id_}.", time.time())
            held += [{"quarantine_id": id_, "path": one.path, "digest": one.digest, "size": one.size} for one in parts]
            rows.append(
                {
                    "id": id_,
                    "source": intake.source,
                    "path": path,
                    "type": judgement.type_name,
                    "into": judgement.into,
                    "findings": [finding.document() for finding in judgement.findings],
                    "counts": dict(judgement.counts),
                    "described": dict(judgement.described),
                    "replaces": before or (intake.resubmits.id if intake.resubmits else None),
                    "state": "WAITING",
                    "project": intake.project,
                    "arrived_at": each.landing.seen_at,
                }
            )
        notes = intake.notes(judgement)
        if each.refused:
            notes["split"] = {**judgement.facts["split"], "of": each.parts[0].digest}
        receipts += receipts_for(intake, each, parts, "quarantined", stamp, id_, notes)
        told.append(Refusal(id_, path, judgement.findings, dict(judgement.counts)))
    if rows:
        connection.execute(insert(quarantine), rows)
        connection.execute(insert(held_file), held)
        # A table in two halves replaces with the one that enters its dataset.
        if intake.resubmits and not any(each.refused for each in refused):
            replace_held(connection, intake.resubmits, intake.who, time.time())
    return told, receipts


def replace_held(
    connection: Connection, resubmits: Resubmission, who: str, at: float, version: int | None = None
) -> None:
    """Decide that corrected files stand for what was refused; what has been decided already is `Conflict`."""
    if not decide(connection, resubmits.id, "REPLACED", who, resubmits.because, at, version):
        raise decided_already(resubmits.id)
    row = update(receipt).where(receipt.c.quarantine_id == resubmits.id, receipt.c.decision == "quarantined")
    connection.execute(row.values(decision="replaced", who=who))


def receipts_for(
    intake: Intake,
    each: Decided,
    parts: Sequence[Part],
    decision: str,
    stamp: int,
    quarantine_id: int | None = None,
    notes: Mapping[str, Any] | None = None,
) -> list[NewReceipt]:
    """Make a landing's receipts, one for each file of it; `stamp` is when it was taken in by hand, in nanoseconds."""
    landing, judgement = each.landing, each.judgement
    enters = judgement is not None and decision != "quarantined"
    return [
        NewReceipt(
            file.path,
            part.size,
            # By hand, the same file may come again and again; each time is an arrival.
            stamp if intake.by_hand else file.mtime_ns,
            part.digest,
            landing.seen_at,
            landing.settled_at,
            decision,
            judgement.type_name if judgement else None,
            judgement.into if enters and judgement else None,
            part.path,
            quarantine_id,
            object_version=file.version,
            changed_ns=None if intake.by_hand else file.changed_ns or None,
            facts=notes or {},
        )
        for part, file in zip(parts, landing.files, strict=True)
    ]


def held_by(connection: Connection, before: Mapping[str, Sequence[Past]]) -> dict[int, set[str]]:
    """Give, by their numbers, the digests of what waits in quarantine since one of these paths came the last time."""
    ids = {receipts[-1].quarantine_id for receipts in before.values()} - {None}
    found: dict[int, set[str]] = {}
    for part in chunks(sorted(id_ for id_ in ids if id_ is not None)):
        query = select(held_file.c.quarantine_id, held_file.c.digest).where(held_file.c.quarantine_id.in_(part))
        for row in connection.execute(query):
            found.setdefault(row.quarantine_id, set()).add(row.digest)
    return found


def _not_yet(connection: Connection, intake: Intake, refused: Sequence[Decided]) -> Sequence[Decided]:
    if intake.by_hand:
        return refused
    there = pasts(connection, intake.source, (part.path for each in refused for part in each.parts))
    keys = {past.key for receipts in there.values() for past in newest(receipts)}
    left: list[Decided] = []
    for each in refused:
        planned = receipts_for(intake, each, (each.refused,) if each.refused else each.parts, "quarantined", 0)
        if not all(one.key in keys for one in planned):
            left.append(each)
    return left


def _waiting(connection: Connection, refused: Iterable[Decided]) -> dict[int, set[str]]:
    """Give those of the rows in which the same bytes were put before that wait still, with their digests."""
    ids = {each.waiting for each in refused if each.waiting is not None}
    query = (
        select(quarantine.c.id, held_file.c.digest)
        .join(held_file, held_file.c.quarantine_id == quarantine.c.id)
        .where(quarantine.c.state == "WAITING")
    )
    found: dict[int, set[str]] = {}
    for part in chunks(sorted(ids)):
        for row in connection.execute(query.where(quarantine.c.id.in_(part))):
            found.setdefault(row.id, set()).add(row.digest)
    return found
