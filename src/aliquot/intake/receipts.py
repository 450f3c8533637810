"""Receipts: the record of each arrival, written with what was decided, and found again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, update

from aliquot.db.rows import insert_rows, json_text, reserve_ids
from aliquot.db.tables import quarantine, receipt
from aliquot.intake.reconcile import Key, Past, newest, one_at_a_time, pasts
from aliquot.model.digest import PREFIX

_PAGE = 100


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
    facts: Mapping[str, Any] = {}

    @property
    def key(self) -> Key:
        """Give what the receipt will be known by."""
        return (self.path, self.size, self.mtime_ns, self.digest)


# One for each receipt, with as little as can be done for it: the fields as they stand, save for the facts.
_COLUMNS = ("id", "source", "who", "taken_at", "again", "version", *NewReceipt._fields)
_AGAIN = _COLUMNS.index("again")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The record of one arrival. Times in seconds since 1970, size in bytes.

    `again` counts how often the very same file had been replaced and put back before.
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
    return back


def _overrule(connection: Connection, past: Past, new: NewReceipt, version: int | None) -> None:
    """Bring a receipt up to date that said no, when a companion that came later made the whole acceptable."""
    if past.decision in {"quarantined", "rejected"} and new.decision == "accepted":
        values = {"decision": new.decision, "type": new.type, "dataset": new.dataset, "version": version}
        connection.execute(update(receipt).where(receipt.c.id == past.id).values(values))


def decide(
    connection: Connection, id_: int, state: str, who: str, because: str, at: float, version: int | None = None
) -> bool:
    """Write a decision about what waits in quarantine; false when it does not wait there any more."""
    values = {"state": state, "decided_at": at, "decided_by": who, "because": because, "version": version}
    waits = (quarantine.c.id == id_, quarantine.c.state == "WAITING")
    return connection.execute(update(quarantine).where(*waits).values(values)).rowcount == 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which receipts are looked for; what is None chooses nothing.

    `digest` may be its first digits, `name` a file's name in either case or its whole path, `part` some of its path
    in either case, `before` the id of the last one of the page before.
    """

    digest: str | None = None
    name: str | None = None
    part: str | None = None
    dataset: str | None = None
    source: str | None = None
    quarantine_id: int | None = None
    before: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Give what a row has to fulfil."""
        found: list[ColumnElement[bool]] = []
        if self.digest is not None:
            start = self.digest if self.digest.startswith(PREFIX) else PREFIX + self.digest
            found += [receipt.c.digest >= start, receipt.c.digest < start + "g"]
        if self.name is not None and self.name.startswith("/"):
            found.append(receipt.c.path == self.name)
        elif self.name is not None:
            found.append(receipt.c.path.iendswith("/" + self.name, autoescape=True))
        if self.part is not None:
            found.append(receipt.c.path.icontains(self.part, autoescape=True))
        for column, value in ((receipt.c.dataset, self.dataset), (receipt.c.source, self.source),
                              (receipt.c.quarantine_id, self.quarantine_id)):  # fmt: skip
            if value is not None:
                found.append(column == value)
        if self.before is not None:
            found.append(receipt.c.id < self.before)
        return found


def find(connection: Connection, wanted: Wanted = Wanted(), limit: int | None = _PAGE) -> list[Receipt]:
    """List receipts, newest first."""
    query = select(receipt).where(*wanted.conditions()).order_by(receipt.c.id.desc()).limit(limit)
    return [Receipt(**row) for row in connection.execute(query).mappings()]


def how_many(connection: Connection, wanted: Wanted) -> int:
    """Count receipts."""
    return connection.execute(select(func.count()).select_from(receipt).where(*wanted.conditions())).scalar_one()
