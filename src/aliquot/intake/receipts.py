"""Receipts: the record of each arrival, written with what was decided, and found again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from aliquot.db.intake_tables import quarantine_event
from aliquot.db.rows import chunks, insert_rows, json_text, reserve_ids
from aliquot.db.tables import quarantine, receipt
from aliquot.intake.reconcile import DESCRIBED, Key, Past, newest, one_at_a_time, pasts
from aliquot.intake.wanted import Wanted
from aliquot.model.errors import Conflict

_PAGE = 100
_ALL = Wanted()


class NewReceipt(NamedTuple):
    """A receipt that shall be written. Times in seconds since 1970; `findings` weigh nothing here, only `decision`."""

    path: str
    size: int
    mtime_ns: int
    digest: str
    seen_at: float
    settled_at: float
    decision: str
    type: str | None = None
    dataset: str | None = None
    entry_path: str | None = None
    quarantine_id: int | None = None
    files: int | None = None
    object_version: str = ""
    changed_ns: int | None = None
    facts: Mapping[str, Any] = {}

    @property
    def key(self) -> Key:
        """Give what the receipt will be known by."""
        return (self.path, self.size, self.mtime_ns, self.digest, self.object_version)


# One for each receipt, with as little as can be done for it: the fields as they stand, save for the facts.
_COLUMNS = ("id", "source", "who", "taken_at", "again", "version", *NewReceipt._fields)
_AGAIN = _COLUMNS.index("again")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The record of one arrival. Times in seconds since 1970, size in bytes.

    `again` counts how often the very same file had been replaced and put back before. Of a delivery, one receipt tells
    of many `files`; where one of them was asked for, path, digest and size are its own, and `files` is None.
    `object_version` is that of an
    object in a bucket (where the bucket keeps none, its ETag); `changed_ns` hints that a file has to be read again.
    """

    id: int
    source: str
    path: str
    size: int
    mtime_ns: int
    digest: str
    seen_at: float
    settled_at: float
    taken_at: float
    decision: str
    type: str | None
    dataset: str | None
    version: int | None
    entry_path: str | None
    quarantine_id: int | None
    who: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    again: int = 0
    files: int | None = None
    object_version: str = ""
    changed_ns: int | None = None


def write(
    connection: Connection,
    source: str,
    who: str,
    taken_at: float,
    wanted: Sequence[NewReceipt],
    version: int | None = None,
) -> list[int]:
    """Write receipts in the transaction that makes them true, and give their ids; one that is there already stays.

    One that is there, but not as the last of its path, is written again: the file was replaced and put back.
    `version` is written beside receipts that name a dataset.
    """
    if not wanted:
        return []
    one_at_a_time(connection, source)
    ids = reserve_ids(connection, receipt, len(wanted))
    nothing = json_text({})
    rows = [
        (id_, source, who, taken_at, 0, version if each.dataset else None, *each[:-1],
         json_text(each.facts) if each.facts else nothing)
        for each, id_ in zip(wanted, ids, strict=True)
    ]  # fmt: skip
    if insert_rows(connection, receipt, _COLUMNS, rows, missing=True) == len(rows):
        return ids
    known = dict(zip([each.key for each in wanted], ids, strict=True))
    back = _known_already(connection, source, {each.key: each for each in wanted}, known, version)
    again = [(*row[:_AGAIN], back[row[0]], *row[_AGAIN + 1 :]) for row in rows if row[0] in back]
    insert_rows(connection, receipt, _COLUMNS, again)
    return [known[each.key] for each in wanted]


def _known_already(
    connection: Connection, source: str, wanted: Mapping[Key, NewReceipt], ids: dict[Key, int], version: int | None
) -> dict[int, int]:
    """Put the ids of receipts that stay in place of the new ones.

    Gives the new ids of those that have to be written again, and how often each was there before.
    """
    new, back = set(ids.values()), dict[int, int]()
    for receipts in pasts(connection, source, (each.path for each in wanted.values())).values():
        before = [past for past in receipts if past.id not in new]
        last = {past.key: past for past in newest(before)}
        for past in before:
            if past.key in ids and past.key not in last:
                back[ids[past.key]] = back.get(ids[past.key], 0) + 1
        for key in last.keys() & ids.keys():
            ids[key] = last[key].id
            _overrule(connection, last[key], wanted[key], version)
            if last[key].changed_ns != wanted[key].changed_ns:
                hint = update(receipt).where(receipt.c.id == last[key].id)
                connection.execute(hint.values(changed_ns=wanted[key].changed_ns))
    return back


def _overrule(connection: Connection, past: Past, new: NewReceipt, version: int | None) -> None:
    """Bring a receipt up to date that said no, when a companion that came later made the whole acceptable.

    One that said yes gets what is said of the file by now.
    """
    if past.decision in {"quarantined", "rejected"} and new.decision in {"accepted", "unchanged", DESCRIBED}:
        values = {"decision": new.decision, "type": new.type, "dataset": new.dataset, "version": version}
        row = update(receipt).where(receipt.c.id == past.id)
        connection.execute(row.values(**values, facts=dict(new.facts)))
    elif "described" in new.facts:
        describe(connection, receipt.c.id == past.id, new.facts["described"])


def describe(connection: Connection, which: ColumnElement[bool], said: Mapping[str, Any]) -> None:
    """Write what is said of files on their receipts, beside what was noted there."""
    for row in connection.execute(select(receipt.c.id, receipt.c.facts).where(which)).all():
        facts = {**row.facts, "described": dict(said)}
        connection.execute(update(receipt).where(receipt.c.id == row.id).values(facts=facts))


def decide(
    connection: Connection, id_: int, state: str, who: str, because: str, at: float, version: int | None = None
) -> bool:
    """Write a decision about what waits in quarantine; false when it does not wait there any more."""
    values = {"state": state, "decided_at": at, "decided_by": who, "because": because, "version": version}
    waits = (quarantine.c.id == id_, quarantine.c.state == "WAITING")
    decided = connection.execute(update(quarantine).where(*waits).values(values)).rowcount == 1
    if decided:
        note(connection, id_, who, state.lower(), because, at)
    return decided


def decided_already(id_: int) -> Conflict:
    """Say that a decision came too late."""
    sentence = f"Somebody has decided about {id_} already; `aliquot quarantine show {id_}` says how."
    return Conflict("quarantine-decided", sentence, id=id_)


def note(connection: Connection, id_: int, who: str, what: str, words: str, at: float) -> None:
    """Note what somebody did about what waits in quarantine."""
    values = {"quarantine_id": id_, "at": at, "who": who, "what": what, "text": words}
    connection.execute(insert(quarantine_event).values(**values))


def find(connection: Connection, wanted: Wanted = _ALL, limit: int | None = _PAGE) -> list[Receipt]:
    """List receipts, newest first; where one file is asked for, those of deliveries that hold it tell of that file."""
    query = wanted.query()
    newest_first = query.order_by(query.selected_columns.id.desc(), query.selected_columns.path).limit(limit)
    return [Receipt(**row) for row in connection.execute(newest_first).mappings()]


def said_of(connection: Connection, ids: Collection[int]) -> dict[int, Mapping[str, Any]]:
    """Give what is said of files, by the number of their receipts; those of which nothing is said are left out."""
    found: dict[int, Mapping[str, Any]] = {}
    for part in chunks(list(ids)):
        for row in connection.execute(select(receipt.c.id, receipt.c.facts).where(receipt.c.id.in_(part))):
            if row.facts.get("described"):
                found[row.id] = row.facts["described"]
    return found


def how_many(connection: Connection, wanted: Wanted) -> int:
    """Count receipts, as `find` gives them."""
    return connection.execute(select(func.count()).select_from(wanted.query().subquery())).scalar_one()
