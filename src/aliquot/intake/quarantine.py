"""Quarantine: what was refused, with its findings, until a person decides."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from aliquot.access.projects import project_of_held
from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.commit import Change, Committed, Draft, commit
from aliquot.datasets.delta import NewEntry
from aliquot.db import Catalogue
from aliquot.db.rows import chunks
from aliquot.db.tables import held_file, quarantine, receipt
from aliquot.intake.newer import Newer, Waiting, newer_files
from aliquot.intake.receipts import decide, decided_already, describe, note
from aliquot.model.blob import Location
from aliquot.model.digest import Digest
from aliquot.model.errors import Conflict, Damaged, Invalid, Missing
from aliquot.model.finding import Finding, finding_from
from aliquot.model.reference import DEFAULT_PROJECT

_PAGE = 100
STATES = ("WAITING", "RELEASED", "REJECTED", "REPLACED")


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file in quarantine: the path that it would have in a dataset, its digest, and its size in bytes."""

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Held:
    """What was refused. `findings` are the first, `counts` all of them by code; times in seconds since 1970.

    `into` is the dataset for which it was meant, None where nothing recognised it. While it waits, `newer` is the file
    that has been accepted at its path since. `described` are the values that were said of it, with their origins;
    `replaces` is what was refused before it in its place.
    """

    id: int
    source: str
    path: str
    type: str | None
    into: str | None
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    state: str
    arrived_at: float
    decided_at: float | None
    decided_by: str | None
    because: str | None
    version: int | None
    files: tuple[HeldFile, ...]
    newer: Newer | None = None
    described: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    assigned_to: str | None = None
    replaces: int | None = None


def list_held(
    connection: Connection,
    state: str | None = "WAITING",
    source: str | None = None,
    before: int | None = None,
    limit: int | None = _PAGE,
    *,
    oldest_first: bool = False,
    assigned_to: str | None = None,
    text: str = "",
    projects: Collection[str] | None = None,
) -> list[Held]:
    """List what is in quarantine, newest or `oldest_first`; `state` None gives the decided ones, too.

    `before` is the id of the last one of the page before; `text` is looked for in paths, whatever its case; `projects`
    keeps to those of these projects, None: of all.
    """
    row = quarantine.c
    order = (row.arrived_at, row.id) if oldest_first else (row.id.desc(),)
    chosen = _chosen(state, source, assigned_to, text, projects)
    if before is not None and oldest_first:
        last = quarantine.alias()
        then = select(last.c.arrived_at).where(last.c.id == before).scalar_subquery()
        chosen.append((row.arrived_at > then) | ((row.arrived_at == then) & (row.id > before)))
    elif before is not None:
        chosen.append(row.id < before)
    query = select(quarantine).where(*chosen).order_by(*order).limit(limit)
    return _with_files(connection, connection.execute(query).all())


def count_held(
    connection: Connection,
    state: str | None = "WAITING",
    source: str | None = None,
    assigned_to: str | None = None,
    projects: Collection[str] | None = None,
) -> int:
    """Say how many wait for a decision; `state` None counts the decided ones, too."""
    chosen = _chosen(state, source, assigned_to, "", projects)
    query = select(func.count()).select_from(quarantine).where(*chosen)
    return int(connection.execute(query).scalar_one())


def _chosen(
    state: str | None, source: str | None, assigned_to: str | None, text: str, projects: Collection[str] | None
) -> list[ColumnElement[bool]]:
    wanted = ((quarantine.c.state, state), (quarantine.c.source, source), (quarantine.c.assigned_to, assigned_to))
    chosen: list[ColumnElement[bool]] = [column == value for column, value in wanted if value is not None]
    if text:
        chosen.append(quarantine.c.path.icontains(text, autoescape=True))
    if projects is not None:
        chosen.append(quarantine.c.project.in_(projects))
    return chosen


def show(connection: Connection, id_: int) -> Held:
    """Give one of them, or `Missing`."""
    rows = connection.execute(select(quarantine).where(quarantine.c.id == id_)).all()
    if not rows:
        sentence = f"Quarantine holds nothing under {id_}; `aliquot quarantine list` shows what is there."
        raise Missing("quarantine-missing", sentence, id=id_)
    return _with_files(connection, rows)[0]


def release(
    catalogue: Catalogue,
    store: Store,
    id_: int,
    who: str,
    because: str,
    into: str | None = None,
    *,
    over_newer: bool = False,
    beside: Callable[[Connection, Committed], None] | None = None,
    described: Mapping[str, Mapping[str, Any]] | None = None,
    within: str | None = None,
) -> Committed:
    """Commit what was refused to its dataset after all; its findings stay attached to it.

    `described` is what is said of it by now, in place of what was.

    `into` names the dataset where nothing recognised the file (`Invalid` without), or another one. What has been
    decided already is `Conflict`, and so is a newer file in its place, unless `over_newer` says that it shall go.
    Bytes that are not what they were are `Damaged`. A dataset of another project than `within` is `Conflict`. `beside`
    joins the transaction.
    """
    require_reason(because)
    with catalogue.read() as connection:
        held = show(connection, id_)
    require_waiting(held)
    target = into or held.into
    if target is None:
        sentence = f"Nothing recognised {held.path}, so say into which dataset it shall go."
        raise Invalid("dataset-absent", sentence, id=id_)
    with catalogue.read() as connection:
        if not over_newer:
            require_newest(connection, held, target)
        locations = held_places(connection, held)
        project = within or project_of_held(connection, id_) or DEFAULT_PROJECT
    require_sound(store, held, locations)
    now = time.time()

    def decided(connection: Connection, draft: Draft) -> Mapping[str, int]:
        if not over_newer:
            require_newest(connection, held, target)
        if not decide(connection, id_, "RELEASED", who, because, now, draft.number):
            raise decided_already(id_)
        values = {"decision": "released", "dataset": target, "version": draft.number, "who": who}
        connection.execute(update(receipt).where(receipt.c.quarantine_id == id_).values(values))
        if described is not None:
            connection.execute(update(quarantine).where(quarantine.c.id == id_).values(described=dict(described)))
            describe(connection, receipt.c.quarantine_id == id_, described)
            note(connection, id_, who, "described", ", ".join(f"{k}={v['value']}" for k, v in described.items()), now)
        return _receipts(connection, held)

    said = held.described if described is None else described
    origin = _origin(held) | ({"described": dict(said)} if said else {})
    adds = [NewEntry(each.path, each.digest, each.size, origin) for each in held.files]
    provenance = {"quarantine": id_, "released_by": who, "because": because}
    change = Change(target, adds, provenance=provenance, project=project, within=within, receipts=decided)
    return commit(catalogue, store, change, beside)


def reject(
    catalogue: Catalogue, id_: int, who: str, because: str, beside: Callable[[Connection], None] | None = None
) -> None:
    """Decide that what was refused stays out; what has been decided already is `Conflict`.

    `beside` joins the transaction.
    """
    require_reason(because)

    def decided(connection: Connection) -> None:
        show(connection, id_)
        if not decide(connection, id_, "REJECTED", who, because, time.time()):
            raise decided_already(id_)
        values = {"decision": "rejected", "who": who}
        connection.execute(update(receipt).where(receipt.c.quarantine_id == id_).values(values))
        if beside:
            beside(connection)

    catalogue.repeat(decided)


def held_places(connection: Connection, held: Held) -> Mapping[Digest, Location]:
    """Say where the bytes of what is held lie."""
    try:
        return places.require(connection, [each.digest for each in held.files])
    except Damaged as error:
        raise _damaged(held, held.path, error.message) from error


def require_sound(store: Store, held: Held, locations: Mapping[Digest, Location]) -> None:
    """Read what is held again: bytes that are gone or have changed must go nowhere."""
    for each in held.files:
        try:
            found = store.digest(locations[each.digest])
        except Damaged as error:
            raise _damaged(held, each.path, error.message) from error
        if found != each.digest:
            raise _damaged(held, each.path, "Its bytes have changed.")


def _damaged(held: Held, path: str, what: str) -> Damaged:
    sentence = (
        f"quarantine {held.id}: {path} is damaged, and nothing was done. {what} Restore the store from a copy "
        f"(`aliquot admin verify` names all that is damaged), or reject {held.id} and let the file come in again."
    )
    return Damaged("held-damaged", sentence, id=held.id, path=path)


def require_newest(connection: Connection, held: Held, target: str) -> None:
    """Refuse to put an older file in the place of one that was accepted since."""
    newer = newer_files(connection, [_waiting(held, target)]).get(held.id)
    if newer is None:
        return
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(newer.at))
    sentence = (
        f"{newer.dataset}@{newer.version} holds a newer {newer.path} since {since}, and releasing {held.id} would put "
        f"the older one in its place. Reject {held.id}; or give --over-newer, if the older one is right after all."
    )
    raise Conflict("newer-accepted", sentence, **{"id": held.id, **asdict(newer)})


def _waiting(held: Held, target: str | None) -> Waiting:
    files = {each.path: each.digest for each in held.files}
    # The rows that were refused of a table have a path of their own; what matters is the table's, too.
    return Waiting(held.id, held.source, target, {held.path: "", **files})


def _with_files(connection: Connection, rows: Sequence[Any]) -> list[Held]:
    files: dict[int, list[HeldFile]] = {}
    for part in chunks([row.id for row in rows]):
        query = select(held_file).where(held_file.c.quarantine_id.in_(part)).order_by(held_file.c.path)
        for each in connection.execute(query):
            files.setdefault(each.quarantine_id, []).append(HeldFile(each.path, Digest(each.digest), each.size))
    held = [
        Held(
            row.id, row.source, row.path, row.type, row.into, tuple(finding_from(each) for each in row.findings),
            row.counts, row.state, row.arrived_at, row.decided_at, row.decided_by, row.because, row.version,
            tuple(files.get(row.id, ())), None, row.described, row.assigned_to, row.replaces,
        )
        for row in rows
    ]  # fmt: skip
    waiting = [_waiting(each, each.into) for each in held if each.state == "WAITING"]
    newer = newer_files(connection, waiting) if waiting else {}
    return [replace(each, newer=newer[each.id]) if each.id in newer else each for each in held]


def _receipts(connection: Connection, held: Held) -> dict[str, int]:
    """Give the ids of the newest receipts of the files, by the path that they get."""
    digests = {each.digest: each.path for each in held.files}
    found: dict[str, int] = {}
    for part in chunks(list(digests)):
        query = select(receipt.c.id, receipt.c.digest).where(
            receipt.c.source == held.source, receipt.c.digest.in_(part)
        )
        found |= {digests[row.digest]: row.id for row in connection.execute(query.order_by(receipt.c.id))}
    return found


def _origin(held: Held) -> dict[str, Any]:
    return {"source": held.source, "path": held.path, "arrived_at": held.arrived_at, "quarantine": held.id}


def require_reason(because: str) -> None:
    """Refuse a decision without a reason."""
    if not because.strip():
        raise Invalid("because-absent", "Say why: the reason is kept with the decision.")


def require_waiting(held: Held) -> None:
    """Refuse to decide again."""
    if held.state != "WAITING":
        raise decided_already(held.id)
