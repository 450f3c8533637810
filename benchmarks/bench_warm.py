"""What a datum costs that a warm worker works on: `python benchmarks/bench_warm.py [scale]`.

At scale 1: twenty thousand files of 1 KiB, and a function that gives each of them in reverse. In a plain
loop, and in a `multiprocessing.Pool` of two spawned processes, it reads and writes files, and nothing is durable. In
the engine, two workers call it with everything durable: inputs from a local store, results in SQLite and the store, the
outputs published; and from `submit` to the last outcome in the executor alone, with the results durable but no
catalogue. Times are seconds of wall clock; the engine's is that of the whole run, planning and publishing included.
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import insert, select

from aliquot.blobs import Store, open_store
from aliquot.datasets import places
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.db import open_catalogue, tables
from aliquot.engine.pipelines import current
from aliquot.engine.start import Order, start
from aliquot.engine.supervise import Supervisor
from aliquot.executors.local import LocalExecutor
from aliquot.model.blob import Location
from aliquot.model.collector import settle
from aliquot.model.digest import digest_bytes, digest_document
from aliquot.model.task import Call, TaskDocument, TaskFile

WORKERS = 2
SIZE = 1024
MODULE = b"""
import aliquot

@aliquot.step
def turn(file: bytes, name: str) -> aliquot.Files:
    return aliquot.Files({name + ".bin": file[::-1]})
"""
PIPELINE: dict[str, Any] = {
    "pipeline": "turn",
    "inputs": {"files": {"dataset": "files"}},
    "steps": {"turn": {"inputs": {"file": {"from": "files", "glob": "/{name}.bin"}}, "python": "work:turn"}},
    "outputs": {"turned": {"from": "turn", "publish": "turned"}},
}


def turn(paths: tuple[str, str]) -> None:
    """Do by hand what the function does."""
    with open(paths[0], "rb") as file:  # noqa: PTH123
        data = file.read()
    with open(paths[1], "wb") as file:  # noqa: PTH123
        file.write(data[::-1])


def by_hand(files: list[Path], folder: Path, processes: int) -> float:
    """Work on all files in a loop, or in a pool of processes; gives the seconds."""
    out = folder / f"by-hand-{processes}"
    out.mkdir()
    pairs = [(str(path), str(out / path.name)) for path in files]
    began = time.monotonic()
    if processes:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(turn, pairs, chunksize=256)
    else:
        for pair in pairs:
            turn(pair)
    return time.monotonic() - began


def in_executor(store: Store, where: dict[str, Location], folder: Path) -> float:
    """Call the function in warm workers, the results durable, without a catalogue; gives the seconds."""
    code = store.put_bytes(MODULE)
    documents = [
        TaskDocument(
            key=digest_bytes(path.encode()), task=number, fence=1, name="turn", command="", store=store.url,
            files=(TaskFile("bundle/work.py", code), TaskFile(f"in/file/{path}", place)),
            python=Call("work:turn", {"name": path.removesuffix(".bin")}, {"file": f"in/file/{path}"}),
        )
        for number, (path, place) in enumerate(where.items())
    ]  # fmt: skip
    executor = LocalExecutor(store, folder / "work-alone", WORKERS)
    began = time.monotonic()
    left = set(executor.submit(documents))
    while left:
        ended = [each for each in executor.look(executor.fresh()) if each.outcome]
        assert all(each.outcome and each.outcome.state == "COMPLETE" for each in ended)
        left.difference_update(each.handle for each in ended)
        executor.forget([each.handle for each in ended])
        executor.wait(1.0)
    spent = time.monotonic() - began
    executor.close()
    return spent


def in_engine(folder: Path, store: Store, files: list[Path]) -> tuple[float, float, dict[str, Location]]:
    """Run the pipeline to its end; gives the seconds, the CPU seconds of this process, and where the inputs lie."""
    catalogue = open_catalogue(f"sqlite:///{folder}/catalogue.db")
    batch = store.batch()
    blobs = [(path, batch.add_file(path)) for path in files]
    flushed = batch.flush()
    code = store.put_bytes(MODULE)
    adds = [NewEntry(f"/{path.name}", blob.digest, blob.size) for path, blob in blobs]
    commit(catalogue, store, Change("files", adds), lambda connection, _: places.record(connection, [*flushed, code]))
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.definition).values(
                kind="pipeline", name="turn", digest=digest_document(PIPELINE), document=PIPELINE,
                bundle={"work.py": code.digest}, file="", applied_at=time.time(), applied_by="", current=True,
            )
        )  # fmt: skip
    executor = LocalExecutor(store, folder / "work", WORKERS)
    supervisor = Supervisor(catalogue, store, lambda _: executor)
    supervisor.open()
    settle()
    began, cpu = time.monotonic(), _cpu()
    with catalogue.write() as connection:
        number = start(connection, Order(current(connection, "turn"), publish=True))
    while not supervisor.idle():
        if not supervisor.cycle():
            supervisor.wait(0.5)
    spent = time.monotonic() - began
    here = _cpu() - cpu
    supervisor.close()
    with catalogue.read() as connection:
        row = connection.execute(select(tables.run).where(tables.run.c.id == number)).one()
    assert (row.state, row.parked) == ("COMPLETE", 0), row.message
    catalogue.close()
    place_of = {each.digest: each for each in flushed}
    return spent, here, {path.name: place_of[blob.digest] for path, blob in blobs}


def measure(scale: float, folder: Path) -> dict[str, Any]:
    """Measure in a folder."""
    count = max(10, round(20_000 * scale))
    (folder / "files").mkdir()
    files = [folder / "files" / f"{number:06d}.bin" for number in range(count)]
    for path in files:
        path.write_bytes(os.urandom(SIZE))
    taken = {"loop": by_hand(files, folder, 0), "pool": by_hand(files, folder, WORKERS)}
    store = open_store(str(folder / "store"))
    taken["engine"], cpu, where = in_engine(folder, store, files)
    taken["executor"] = in_executor(open_store(str(folder / "other")), _copied(store, where, folder), folder)
    return {
        "datums": count,
        **{f"{name}_s": round(seconds, 2) for name, seconds in taken.items()},
        **{f"{name}_per_s": round(count / seconds) for name, seconds in taken.items()},
        "engine_cpu_us_per_datum": round(1e6 * cpu / count),
        **{f"ratio_to_{name}": round(taken[name] / taken["engine"], 3) for name in ("loop", "pool")},
    }


def _cpu() -> float:
    """Give the CPU seconds of this process: what its interpreter, one thread at a time, takes for the engine's part."""
    return time.process_time()


def _copied(store: Store, where: dict[str, Location], folder: Path) -> dict[str, Location]:
    """Put the inputs into another store, so that no result of the first measurement is there already."""
    batch = open_store(str(folder / "other")).batch()
    digests = {path: batch.add_bytes(store.read(place)).digest for path, place in where.items()}
    places_of = {each.digest: each for each in batch.flush()}
    return {path: places_of[digest] for path, digest in digests.items()}


def run(scale: float) -> dict[str, Any]:
    """Measure in a folder that is removed afterwards."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with tempfile.TemporaryDirectory(prefix="bench-warm-") as folder:
        return measure(scale, Path(folder))


def main() -> None:
    """Print a table, and one line of JSON."""
    figures = run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    for name, value in figures.items():
        print(f"{name:15} {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
