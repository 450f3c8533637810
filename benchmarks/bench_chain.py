"""What streaming gives and planning again and again costs: `python benchmarks/bench_chain.py [scale]`.

At scale 1: 3,000 datums through a chain of three steps, `cp "$FILE" "$OUT"/` each, on files of 4 KiB, with two workers,
everything durable and published. Before it, the bare commands in two threads, three for each file. Times are seconds of
wall clock; `first_end_s` is when the first task of the last step had ended.
"""

import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import structlog
from bench_tasks import COMMAND, WORKERS, Bare, Lab, write_files
from sqlalchemy import func, insert, select

from aliquot.db import tables
from aliquot.engine.pipelines import current
from aliquot.engine.start import Order, start
from aliquot.engine.supervise import Supervisor
from aliquot.executors.process import ProcessExecutor
from aliquot.model.digest import digest_document

STEPS = ("one", "two", "three")


def pipeline() -> dict[str, Any]:
    """Give the chain. A variable of its own keeps the steps from being equal work."""
    steps: dict[str, Any] = {}
    source = "files"
    for name in STEPS:
        steps[name] = {"inputs": {"file": {"from": source, "glob": "/*"}}, "command": f"STEP={name}; {COMMAND}"}
        source = name
    outputs = {"ends": {"from": source, "publish": "ends"}}
    return {"pipeline": "chain", "inputs": {"files": {"dataset": "files"}}, "steps": steps, "outputs": outputs}


def bare(files: list[Path], folder: Path) -> float:
    """Run all commands and nothing else."""
    began = time.monotonic()
    for step in STEPS:
        (folder / step).mkdir()
        runner = Bare(files, folder / step)
        while not runner.slice(60.0):
            pass
    return time.monotonic() - began


def first_ends(lab: Lab, stop: threading.Event, began: float, found: list[float]) -> None:
    """Note when the first task of the last step has ended."""
    query = select(tables.task.c.id).where(tables.task.c.step == STEPS[-1], tables.task.c.ended_at.is_not(None))
    while not stop.wait(0.05):
        with lab.catalogue.read() as connection:
            if connection.execute(query.limit(1)).first():
                found.append(time.monotonic() - began)
                return


def engine(lab: Lab) -> dict[str, float]:
    """Run the chain, and count how often its steps were planned."""
    document = pipeline()
    with lab.catalogue.write() as connection:
        connection.execute(
            insert(tables.definition).values(
                kind="pipeline", name="chain", digest=digest_document(document), document=document, bundle={},
                file="", applied_at=time.time(), applied_by="", current=True,
            )
        )  # fmt: skip
    executor = ProcessExecutor(lab.store, lab.folder / "work", WORKERS)
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: executor)
    supervisor.open()
    began = time.monotonic()
    with lab.catalogue.write() as connection:
        number = start(connection, Order(current(connection, "chain"), publish=True))
    stop, found = threading.Event(), list[float]()
    watching = threading.Thread(target=first_ends, args=(lab, stop, began, found))
    watching.start()
    while not supervisor.idle():
        if not supervisor.cycle():
            supervisor.wait(0.5)
    taken = time.monotonic() - began
    stop.set()
    watching.join()
    supervisor.close()
    with lab.catalogue.read() as connection:
        row = connection.execute(select(tables.run).where(tables.run.c.id == number)).one()
        plannings = connection.execute(select(func.count(tables.task.c.created_at.distinct()))).scalar_one()
    assert (row.state, row.parked) == ("COMPLETE", 0), row.message
    return {"engine_s": taken, "first_end_s": found[0] if found else taken, "plannings": plannings}


def run(scale: float) -> dict[str, Any]:
    """Measure in a folder that is removed afterwards."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with tempfile.TemporaryDirectory(prefix="bench-chain-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        files = write_files(folder / "files", 0, max(10, round(3000 * scale)))
        lab = Lab(folder, new=True)
        lab.take_in(files)
        alone = bare(files, folder)
        ours = engine(lab)
    return {
        "datums": len(files),
        "tasks": len(files) * len(STEPS),
        "bare_s": round(alone, 2),
        "engine_s": round(ours["engine_s"], 2),
        "ratio_to_bare": round(alone / ours["engine_s"], 3),
        "first_end_s": round(ours["first_end_s"], 2),
        "first_end_share": round(ours["first_end_s"] / ours["engine_s"], 3),
        "plannings": ours["plannings"],
    }


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)))
