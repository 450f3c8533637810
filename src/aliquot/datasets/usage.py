"""What takes how many bytes: datasets with their history, runs, logs, quarantine, and what they share."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, and_, case, func, select, union

from aliquot.datasets.read import find_dataset
from aliquot.db.tables import attempt, blob, dataset, entry, held_file, output, preview, result, run, task, version


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """What a dataset takes: files and bytes of its newest version, versions, and the bytes of all of them together.

    `stored` counts equal content once; `own` is the part of it that no other dataset has, `adopted` the part that lies
    where it came from and not in the store.
    """

    dataset: str
    files: int
    bytes: int
    versions: int
    stored: int
    own: int
    adopted: int

    def document(self) -> dict[str, Any]:
        """Give the line as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StoreUse:
    """What the whole store takes, each blob counted once, by the first that has it in this order.

    What was `adopted` takes no room in the store, and is no part of the `total`.
    """

    datasets: int
    quarantine: int
    runs: int
    logs: int
    previews: int
    rest: int
    total: int
    adopted: int

    def document(self) -> dict[str, Any]:
        """Give it as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunUse:
    """What a run made itself and the store still has: files and bytes that no dataset holds, and of its logs."""

    run: int
    pipeline: str
    state: str
    ended_at: float | None
    files: int
    bytes: int
    logs: int

    def document(self) -> dict[str, Any]:
        """Give the line as JSON."""
        return asdict(self)


def dataset_uses(connection: Connection, name: str | None = None) -> list[DatasetUse]:
    """Measure the datasets, the largest first, or one of them; costs one pass over their entries."""
    only = find_dataset(connection, name).id if name is not None else None
    stored, own = _distinct(connection)
    adopted = _adopted(connection)
    rows = connection.execute(
        select(dataset.c.id, dataset.c.name, dataset.c.head, version.c.files, version.c.bytes).outerjoin(
            version, and_(version.c.dataset_id == dataset.c.id, version.c.number == dataset.c.head)
        )
    )
    uses = [
        DatasetUse(
            row.name,
            row.files or 0,
            row.bytes or 0,
            row.head,
            stored.get(row.id, 0),
            own.get(row.id, 0),
            adopted.get(row.id, 0),
        )
        for row in rows
        if only in {None, row.id}
    ]
    return sorted(uses, key=lambda each: (-each.stored, each.dataset))


def _distinct(connection: Connection) -> tuple[dict[int, int], dict[int, int]]:
    """Sum, for each dataset, its distinct contents, and those that no other has.

    A pass over all entries here takes a fifth of the time in which SQLite sorts their digests. 64 bits of each are
    kept, which is enough to tell them apart.
    """
    stored: dict[int, int] = {}
    own: dict[int, int] = {}
    first: dict[int, int] = {}
    others: dict[int, set[int]] = {}
    for dataset_id, digest, amount in connection.execute(select(entry.c.dataset_id, entry.c.digest, entry.c.size)):
        short = int(digest[7:23], 16)
        holder = first.get(short)
        if holder is None:
            first[short] = dataset_id
            own[dataset_id] = own.get(dataset_id, 0) + amount
        elif holder == dataset_id or dataset_id in others.get(short, ()):
            continue
        else:
            if short not in others:
                own[holder] -= amount
            others.setdefault(short, set()).add(dataset_id)
        stored[dataset_id] = stored.get(dataset_id, 0) + amount
    return stored, own


def _adopted(connection: Connection) -> dict[int, int]:
    """Sum, for each dataset, what of its contents was adopted."""
    each = (
        select(entry.c.dataset_id, blob.c.digest, blob.c.size)
        .distinct()
        .select_from(blob.join(entry, entry.c.digest == blob.c.digest))
        .where(blob.c.adopted.is_(True))
        .subquery()
    )
    query = select(each.c.dataset_id, func.sum(each.c.size)).group_by(each.c.dataset_id)
    return {dataset_id: int(amount) for dataset_id, amount in connection.execute(query)}


def store_use(connection: Connection) -> StoreUse:
    """Measure the whole store by what has each blob, from the catalogue alone."""
    logs = union(
        select(attempt.c.stdout.label("digest")).where(attempt.c.stdout.isnot(None)),
        select(attempt.c.stderr.label("digest")).where(attempt.c.stderr.isnot(None)),
    ).subquery()
    of_log = select(logs.c.digest)
    kind = case(
        (blob.c.adopted.is_(True), "adopted"),
        (select(entry.c.id).where(entry.c.digest == blob.c.digest).exists(), "datasets"),
        (select(held_file.c.path).where(held_file.c.digest == blob.c.digest).exists(), "quarantine"),
        (select(output.c.path).where(output.c.digest == blob.c.digest).exists(), "runs"),
        (blob.c.digest.in_(of_log), "logs"),
        (select(preview.c.kind).where(preview.c.digest == blob.c.digest).exists(), "previews"),
        else_="rest",
    ).label("kind")
    sorted_blobs = select(kind, blob.c.size).where(blob.c.swept_at.is_(None)).subquery()
    sums = {
        row[0]: int(row[1])
        for row in connection.execute(
            select(sorted_blobs.c.kind, func.sum(sorted_blobs.c.size)).group_by(sorted_blobs.c.kind)
        )
    }
    parts = {name: sums.get(name, 0) for name in ("datasets", "quarantine", "runs", "logs", "previews", "rest")}
    return StoreUse(**parts, total=sum(parts.values()), adopted=sums.get("adopted", 0))


def run_uses(connection: Connection, limit: int | None = 20) -> list[RunUse]:
    """Measure what runs made and no dataset holds, the largest first."""
    there = (
        select(task.c.run_id, func.count().label("files"), func.sum(output.c.size).label("bytes"))
        .select_from(
            output.join(result, result.c.key == output.c.key)
            .join(task, task.c.id == result.c.task_id)
            .join(blob, blob.c.digest == output.c.digest)
        )
        .where(blob.c.swept_at.is_(None), ~select(entry.c.id).where(entry.c.digest == output.c.digest).exists())
        .group_by(task.c.run_id)
        .subquery()
    )
    logs = (
        select(task.c.run_id, func.sum(blob.c.size).label("bytes"))
        .select_from(
            attempt.join(task, task.c.id == attempt.c.task_id).join(
                blob, (blob.c.digest == attempt.c.stdout) | (blob.c.digest == attempt.c.stderr)
            )
        )
        .where(blob.c.swept_at.is_(None))
        .group_by(task.c.run_id)
        .subquery()
    )
    size = func.coalesce(there.c.bytes, 0)
    log_size = func.coalesce(logs.c.bytes, 0)
    query = (
        select(run, func.coalesce(there.c.files, 0).label("n"), size.label("size"), log_size.label("log_size"))
        .outerjoin(there, there.c.run_id == run.c.id)
        .outerjoin(logs, logs.c.run_id == run.c.id)
        .where(size + log_size > 0)
        .order_by((size + log_size).desc(), run.c.id)
        .limit(limit)
    )
    return [
        RunUse(row.id, row.pipeline, row.state, row.ended_at, row.n, int(row.size), int(row.log_size))
        for row in connection.execute(query)
    ]
