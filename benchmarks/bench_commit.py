"""What a commit and a page cost on a large dataset, on SQLite and, where it is installed, on PostgreSQL.

    python benchmarks/bench_commit.py [scale]     # scale 1: 1,000,000 entries

The PostgreSQL is the tests' private cluster, which does not fsync: its commits cost less than elsewhere.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from aliquot.blobs import Store, open_store
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.read import difference, entries, resolve
from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import entry
from aliquot.model.digest import digest_bytes
from aliquot.model.reference import Reference

FILES = 1_000_000
ADDED = 10
PAGE = 100
REPEATS = 5


def run(scale: float) -> dict[str, Any]:
    """Measure with a million entries times `scale`; times in seconds, medians."""
    files = max(1_000, int(FILES * scale))
    figures: dict[str, Any] = {"files": files}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-commit-")))
        figures["sqlite"] = _measure(f"sqlite:///{folder}/catalogue.db", folder / "one", files)
        url = _postgresql(stack)
        if url:
            figures["postgresql"] = _measure(url, folder / "other", files)
    return figures


def _postgresql(stack: ExitStack) -> str | None:
    """Start the tests' private cluster, or give None where PostgreSQL is not installed."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from postgresql import programs, running_cluster

    if programs() is None:
        return None
    cluster = stack.enter_context(running_cluster())
    return cluster.url(cluster.create())


def _measure(url: str, folder: Path, files: int) -> dict[str, Any]:
    catalogue, store = open_catalogue(url), open_store(str(folder))
    try:
        return _figures(catalogue, store, files)
    finally:
        catalogue.close()
        store.close()


def _figures(catalogue: Catalogue, store: Store, files: int) -> dict[str, Any]:
    few = [_entry(f"/first/{n:07}") for n in range(10)]
    many = [_entry(f"/{n % 100:02}/{n:07}") for n in range(files)]
    commit(catalogue, store, Change("large", few))
    began = time.perf_counter()
    commit(catalogue, store, Change("large", many))
    figures: dict[str, Any] = {"first_commit_s": round(time.perf_counter() - began, 2)}
    before = _rows(catalogue)
    times: list[float] = []
    for n in range(REPEATS):
        change = Change("large", [_entry(f"/new/{n}/{each}") for each in range(ADDED)])
        times.append(_time(lambda change=change: commit(catalogue, store, change)))
    figures["commit_of_10_s"] = round(statistics.median(times), 4)
    figures["rows_of_commit"] = (_rows(catalogue) - before) / REPEATS
    replaced = [NewEntry(each.path, digest_bytes(b"new"), 3) for each in many[: files // 2]]
    figures["replace_half_s"] = round(_time(lambda: commit(catalogue, store, Change("large", replaced))), 2)
    head = REPEATS + 3
    for number, name in ((1, "smallest"), (2, "old"), (head, "newest")):
        for after, where in (("", "first"), ("/50/", "middle"), ("/zz", "end")):
            figures[f"page_{name}_{where}_s"] = _page(catalogue, str(number), after)
    figures["folder_page_s"] = _page(catalogue, "latest", "", "/73")
    figures["difference_of_10_s"] = round(_time(lambda: _difference(catalogue)), 4)
    return figures


def _entry(path: str) -> NewEntry:
    return NewEntry(path, digest_bytes(path.encode()), 100)


def _rows(catalogue: Catalogue) -> int:
    with catalogue.read() as connection:
        return int(connection.execute(select(func.count()).select_from(entry)).scalar_one())


def _page(catalogue: Catalogue, number: str, after: str, below: str | None = None) -> float:
    def read() -> None:
        with catalogue.read() as connection:
            of = resolve(connection, Reference("large", number))
            list(entries(connection, of, below, after, PAGE))

    return round(statistics.median(_time(read) for _ in range(REPEATS)), 4)


def _difference(catalogue: Catalogue) -> None:
    with catalogue.read() as connection:
        one, other = (resolve(connection, Reference("large", number)) for number in ("2", "3"))
        list(difference(connection, one, other))


def _time(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2))
