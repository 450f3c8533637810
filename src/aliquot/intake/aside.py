"""Refused landings: a row in quarantine for each, and receipts that lead to it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from aliquot.db.rows import chunks, reserve_ids
from aliquot.db.tables import held_file, quarantine
from aliquot.intake.decided import Decided, Intake, Part, Refusal
from aliquot.intake.receipts import NewReceipt
from aliquot.intake.reconcile import newest, pasts


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
        if id_ is None or id_ not in waiting:
            id_ = next(ids)
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
                    "state": "WAITING",
                    "project": intake.project,
                    "arrived_at": each.landing.seen_at,
                }
            )
        notes = judgement.notes()
        if each.refused:
            notes["split"] = {**judgement.facts["split"], "of": each.parts[0].digest}
        receipts += receipts_for(intake, each, parts, "quarantined", stamp, id_, notes)
        told.append(Refusal(id_, path, judgement.findings, dict(judgement.counts)))
    if rows:
        connection.execute(insert(quarantine), rows)
        connection.execute(insert(held_file), held)
    return told, receipts


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


def _waiting(connection: Connection, refused: Iterable[Decided]) -> set[int]:
    ids = {each.waiting for each in refused if each.waiting is not None}
    query = select(quarantine.c.id).where(quarantine.c.state == "WAITING")
    return {
        id_
        for part in chunks(sorted(ids))
        for id_ in connection.execute(query.where(quarantine.c.id.in_(part))).scalars()
    }
