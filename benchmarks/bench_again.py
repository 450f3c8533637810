"""What a run costs that has nothing new to do: `python benchmarks/bench_again.py [scale]`.

At scale 1: 100,000 datums by `/*`, published. An executor that gives each file as its own result makes the first run
short; no bytes are read. Then, each with a supervisor of its own: the run again with nothing changed, with one file
more, with one file less, and of a chain of three steps with nothing changed. Seconds of wall clock, and of processor
time of this process.
"""

import gc
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from bench_plan import record
from bench_tasks import Lab, timed
from peak_memory import peak_mib
from sqlalchemy import func, select

from aliquot.blobs import Store
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.db import tables
from aliquot.model.digest import digest_bytes
from aliquot.model.seams import Handle, Leftover, Sighting
from aliquot.model.state import State
from aliquot.model.task import Outcome, OutputFile, TaskDocument

STEPS = ("one", "two", "three")


class Echo:
    """An executor whose attempts end at once, and give what they were given."""

    name = "echo"
    capacity = 2_000

    def __init__(self, _store: Store, _work: Path) -> None:
        self._outcomes: dict[Handle, Outcome] = {}

    def identity(self, image: str | None, *, python: bool = False) -> str:  # noqa: ARG002  # the seam's
        """Name nothing in particular."""
        return "echo"

    def submit(self, documents: Sequence[TaskDocument]) -> list[Handle]:
        """End attempts."""
        handles = [Handle(f"{each.task}-{each.fence}") for each in documents]
        now = time.time()
        for handle, each in zip(handles, documents, strict=True):
            files = [
                OutputFile("/" + file.path.split("/", 2)[2], file.blob.digest, file.blob.size) for file in each.files
            ]
            self._outcomes[handle] = Outcome(
                each.task, each.fence, State.COMPLETE, outputs=tuple(files), started_at=now, ended_at=now
            )
        return handles

    def take_over(self) -> Sequence[Leftover]:
        """Nothing is ever left."""
        return ()

    def drop(self, tasks: Iterable[int]) -> None:
        """Nothing is ever left."""

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        """All have ended."""
        return [Sighting(handle, outcome=self._outcomes[handle]) for handle in handles]

    def fresh(self) -> Sequence[Handle]:
        """All have ended."""
        return list(self._outcomes)

    def cancel(self, handles: Iterable[Handle]) -> None:
        """All have ended."""

    def withdraw(self, handles: Iterable[Handle]) -> list[Handle]:  # noqa: ARG002  # the seam's
        """All have begun."""
        return []

    def forget(self, handles: Iterable[Handle]) -> None:
        """Let go of outcomes."""
        for handle in handles:
            self._outcomes.pop(handle, None)

    def wait(self, seconds: float) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """Hold nothing."""


def pipeline(name: str, steps: Sequence[str]) -> dict[str, Any]:
    """Give a chain of steps, the last one's files published."""
    made: dict[str, Any] = {}
    source = "files"
    for step in steps:
        made[step] = {"inputs": {"file": {"from": source, "glob": "/*"}}, "command": f"STEP={name}-{step}; cp"}
        source = step
    outputs = {"ends": {"from": source, "publish": f"ends-{name}"}}
    return {"pipeline": name, "inputs": {"files": {"dataset": "files"}}, "steps": made, "outputs": outputs}


def take_in(lab: Lab, paths: Sequence[str], removes: Sequence[str] = ()) -> None:
    """Commit files of which only the rows are there."""
    adds = [NewEntry(path, digest_bytes(path.encode()), 1) for path in paths]
    beside = partial(record, adds) if adds else None
    commit(lab.catalogue, lab.store, Change("files", adds, list(removes)), beside)


def again(lab: Lab) -> dict[str, float]:
    """Run once more; gives the seconds of wall clock and of the processor."""
    gc.collect()
    cpu = time.process_time()
    return {"s": round(timed(lab.run), 3), "cpu_s": round(time.process_time() - cpu, 3)}


def run(scale: float) -> dict[str, Any]:
    """Measure in a folder that is removed afterwards."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    count = max(10, round(100_000 * scale))
    figures: dict[str, Any] = {"datums": count}
    with tempfile.TemporaryDirectory(prefix="bench-again-") as name:
        folder = Path(name)
        star = Lab(folder, new=True, pipeline=pipeline("star", STEPS[:1]), executor=Echo)
        take_in(star, [f"/{at:07d}.bin" for at in range(count)])
        figures["first"] = again(star)
        figures["unchanged"] = again(star)
        figures["unchanged_again"] = again(star)
        take_in(star, ["/more.bin"])
        figures["one_more"] = again(star)
        take_in(star, [], ["/more.bin"])
        figures["one_less"] = again(star)
        chain = Lab(folder, new=True, pipeline=pipeline("chain", STEPS), executor=Echo)
        figures["chain_first"] = again(chain)
        figures["chain_unchanged"] = again(chain)
        with star.catalogue.read() as connection:
            tasks = connection.execute(select(func.count()).select_from(tables.task)).scalar_one()
        assert tasks == 11 * count + 1
    figures["peak_mib"] = peak_mib()
    return figures


def main() -> None:
    """Print a table, and one line of JSON."""
    figures = run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    for name, value in figures.items():
        print(f"{name:18} {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
