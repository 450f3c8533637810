"""What the engine costs beside the commands that it runs: `python benchmarks/bench_tasks.py [scale]`.

At scale 1: ten thousand commands `cp "$FILE" "$OUT"/` on files of 4 KiB. Bare, a loop in two threads spawns them;
under make, two at a time; in the engine, two workers run them with everything durable: inputs from a local store,
results in SQLite and the store, the outputs published. The engine needs no shell for such a command, so all is measured
once more with one that does (`shell_…`). They take turns of three seconds each, so that a machine that
grows faster or slower does not decide. Whoever has not its turn is stopped, with all that it has started: commands that
a stopped engine leaves behind would work in another's time. Each stop costs what has many processes more than what has
one. Then: a run with nothing changed, and a run with one file more. Times are seconds of wall clock.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from peak_memory import peak_mib
from sqlalchemy import insert
from sqlalchemy import select as query

from aliquot.blobs import Store, open_store
from aliquot.datasets import places
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.db import Catalogue, open_catalogue, tables
from aliquot.engine.pipelines import current
from aliquot.engine.start import Order, start
from aliquot.engine.supervise import Supervisor
from aliquot.executors.command import default_path, environment
from aliquot.executors.process import ProcessExecutor
from aliquot.model.collector import settle
from aliquot.model.digest import digest_document
from aliquot.model.seams import Executor
from aliquot.model.task import TaskDocument

WORKERS = 2
SIZE = 4096
COMMAND = 'cp "$FILE" "$OUT"/'
NEEDS_A_SHELL = f"{COMMAND} && :"
"""The same work in a command that only a shell can read."""


def pipeline_of(command: str) -> dict[str, Any]:
    """Give a pipeline of one step that runs a command for each file."""
    return {
        "pipeline": "copy",
        "inputs": {"files": {"dataset": "files"}},
        "steps": {"copy": {"inputs": {"file": {"from": "files", "glob": "/*"}}, "command": command}},
        "outputs": {"copies": {"from": "copy", "publish": "copies"}},
    }


PIPELINE = pipeline_of(COMMAND)


class Lab:
    """A catalogue, a store and one pipeline in a folder; `executor` makes what runs its tasks."""

    def __init__(
        self,
        folder: Path,
        *,
        new: bool = False,
        pipeline: dict[str, Any] = PIPELINE,
        executor: Callable[[Store, Path], Executor] = lambda store, work: ProcessExecutor(store, work, WORKERS),
    ) -> None:
        self.folder = folder
        self.pipeline = pipeline
        self.executor = executor
        self.catalogue: Catalogue = open_catalogue(f"sqlite:///{folder}/catalogue.db")
        self.store: Store = open_store(str(folder / "store"))
        if new:
            self._apply()

    def take_in(self, files: list[Path]) -> None:
        """Commit files as the next version of the input."""
        batch = self.store.batch()
        blobs = [(path, batch.add_file(path)) for path in files]
        where = batch.flush()
        adds = [NewEntry(f"/{path.name}", blob.digest, blob.size) for path, blob in blobs]
        commit(
            self.catalogue, self.store, Change("files", adds), lambda connection, _: places.record(connection, where)
        )

    def _apply(self) -> None:
        with self.catalogue.write() as connection:
            connection.execute(
                insert(tables.definition).values(
                    kind="pipeline", name=self.pipeline["pipeline"], digest=digest_document(self.pipeline),
                    document=self.pipeline, bundle={}, file="", applied_at=time.time(), applied_by="", current=True,
                )
            )  # fmt: skip

    def run(self) -> None:
        """Run the pipeline to its end as a fresh program would: with an executor and a supervisor of its own."""
        executor = self.executor(self.store, self.folder / "work")
        supervisor = Supervisor(self.catalogue, self.store, lambda _: executor)
        supervisor.open()
        with self.catalogue.write() as connection:
            number = start(connection, Order(current(connection, self.pipeline["pipeline"]), publish=True))
        while not supervisor.idle():
            if not supervisor.cycle():
                supervisor.wait(0.5)
        supervisor.close()
        executor.close()
        with self.catalogue.read() as connection:
            row = connection.execute(query(tables.run).where(tables.run.c.id == number)).one()
        assert (row.state, row.parked) == ("COMPLETE", 0), row.message


def write_files(folder: Path, first: int, count: int) -> list[Path]:
    """Write files of 4 KiB, no two alike."""
    paths = [folder / f"{number:06d}.bin" for number in range(first, first + count)]
    for path in paths:
        path.write_bytes(os.urandom(SIZE))
    return paths


class Bare:
    """Runs the commands from two threads that do nothing else, in the environment that a task's command sees."""

    name = "bare"

    def __init__(self, files: list[Path], folder: Path, command: str = COMMAND) -> None:
        self.command = command
        self.waiting = iter(files)
        self.left = len(files)
        self.out = folder / "bare"
        self.out.mkdir()
        self.lock = threading.Lock()
        document = TaskDocument(digest_document(command), 1, 1, "copy/copy/1", command, "", {"CPUS": "1"})
        self.environment = environment(document, str(folder), default_path(), "bench")

    def slice(self, seconds: float) -> bool:
        """Go on for so many seconds; says whether all is done."""
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=self._serve, args=(until,)) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.left == 0

    def _serve(self, until: float) -> None:
        while time.monotonic() < until:
            with self.lock:
                path = next(self.waiting, None)
            if path is None:
                return
            values = {**self.environment, "FILE": str(path), "OUT": str(self.out)}
            pid = os.posix_spawn("/bin/sh", ["sh", "-c", self.command], values)
            assert os.waitpid(pid, 0)[1] == 0
            with self.lock:
                self.left -= 1


class Program:
    """A program that is stopped between its slices. It says `ready` and waits for a line, then says `done`."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._expect("ready")
        self.began = False
        self.stopped: list[int] = []

    def slice(self, seconds: float) -> bool:
        """Let it go on for so many seconds; says whether it is done."""
        if self.began:
            for pid in self.stopped:
                _signal(pid, signal.SIGCONT)
        else:
            self.tell("go")
            self.began = True
        assert self.process.stdout
        if select.select([self.process.stdout], [], [], seconds)[0]:
            self._expect("done")
            return True
        self.stopped = _stop_all(self.process.pid)
        return False

    def tell(self, word: str) -> None:
        """Write a line to it."""
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def read(self) -> str:
        """Read a line of it."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """Wait for its end."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait() == 0

    def _expect(self, word: str) -> None:
        found = self.read()
        assert found == word, f"{self.name} said {found!r}, not {word!r}"


def _stop_all(program: int) -> list[int]:
    """Stop a program and all that it has started, in whatever sessions; none of them works in another's time."""
    stopped: list[int] = []
    while more := [pid for pid in [program, *_descendants(program)] if pid not in stopped]:
        for pid in more:
            _signal(pid, signal.SIGSTOP)
        stopped += more
    return stopped


def _descendants(program: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{program}/task").glob("*/children"):
        with suppress(OSError):
            for pid in map(int, children.read_text().split()):
                found += [pid, *_descendants(pid)]
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def take_turns(all_of_them: list[Bare | Program], seconds: float = 3.0) -> dict[str, float]:
    """Let each go on for a slice in turn until all are done; gives the seconds that each took."""
    taken = dict.fromkeys((each.name for each in all_of_them), 0.0)
    running = list(all_of_them)
    while running:
        for each in list(running):
            began = time.monotonic()
            if each.slice(seconds):
                running.remove(each)
            taken[each.name] += time.monotonic() - began
    return taken


def write_makefile(folder: Path, files: list[Path], command: str) -> Path:
    """Write a rule for each file."""
    place = folder / "make"
    (place / "out").mkdir(parents=True)
    rules = [f"out/{path.name}: {path}\n\t{command.replace('$', '$$')}" for path in files]
    targets = " ".join(f"out/{path.name}" for path in files)
    heading = f"export OUT := out\nout/%: export FILE = $<\nall: {targets}\n"
    (place / "Makefile").write_text(heading + "\n".join(rules) + "\n")
    return place


def engine(folder: Path) -> None:
    """Be the program that is measured: run, run again, take one file more in, run."""
    lab = Lab(folder)
    settle()
    files = sum(1 for _ in (folder / "files").iterdir())
    print("ready", flush=True)
    sys.stdin.readline()
    lab.run()
    print("done", flush=True)
    sys.stdin.readline()
    peak = peak_mib()
    again = timed(lab.run)
    lab.take_in(write_files(folder / "files", files, 1))
    one_more = timed(lab.run)
    figures = {"unchanged_s": round(again, 3), "one_more_s": round(one_more, 3), "peak_mib": peak}
    print(json.dumps(figures), flush=True)


def timed(work: Callable[[], object]) -> float:
    """Give how many seconds some work takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def measure(scale: float, folder: Path, command: str) -> dict[str, Any]:
    """Measure one command in a folder."""
    count = max(10, round(10_000 * scale))
    (folder / "files").mkdir()
    files = write_files(folder / "files", 0, count)
    Lab(folder, new=True, pipeline=pipeline_of(command)).take_in(files)
    ours = Program("engine", [sys.executable, __file__, "--engine", str(folder)], folder)
    contenders = [Bare(files, folder, command), ours]
    if shutil.which("make"):
        script = f"echo ready; read go; make -s -j{WORKERS} all; echo done"
        contenders.append(Program("make", ["sh", "-c", script], write_makefile(folder, files, command)))
    taken = take_turns(contenders)
    ours.tell("go on")
    later: dict[str, Any] = json.loads(ours.read())
    for each in contenders:
        if isinstance(each, Program):
            each.close()
    return {
        "tasks": count,
        **{f"{name}_s": round(seconds, 2) for name, seconds in taken.items()},
        **{f"ratio_to_{name}": round(taken[name] / taken["engine"], 3) for name in taken if name != "engine"},
        **later,
    }


def run(scale: float) -> dict[str, Any]:
    """Measure in folders that are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-tasks-") as folder:
        figures = measure(scale, Path(folder), COMMAND)
    with tempfile.TemporaryDirectory(prefix="bench-tasks-") as folder:
        with_shell = measure(scale, Path(folder), NEEDS_A_SHELL)
    compared = {name: value for name, value in with_shell.items() if name.endswith("_s") or "ratio" in name}
    return figures | {f"shell_{name}": value for name, value in compared.items()}


def main() -> None:
    """Print a table, and one line of JSON."""
    if sys.argv[1:2] == ["--engine"]:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        engine(Path(sys.argv[2]))
        return
    figures = run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    for name, value in figures.items():
        print(f"{name:15} {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
