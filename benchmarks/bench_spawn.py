"""How much the process executor adds to the commands that it runs.

10,000 commands `cp "$FILE" "$OUT"/` on files of 4 KiB, two at a time. Bare: two threads that call posix_spawn and
wait, nothing else. Executor: each input is staged from a pack in the store, the command runs in a directory of its own
under all the limits, its output is digested and stored, and every outcome is durable. The two alternate, so that both
meet the same machine; `ratio` is the executor's rate over the bare rate. At the end, one large input is staged, to
say what it costs that no command can reach the stored bytes.
"""

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from aliquot.blobs import Store, open_store
from aliquot.executors.process import ProcessExecutor
from aliquot.model.digest import digest_bytes
from aliquot.model.state import State
from aliquot.model.task import TaskDocument, TaskFile

WORKERS = 2
ROUNDS = 20
SIZE = 4096
COMMAND = 'cp "$FILE" "$OUT"/'


def run(scale: float = 1.0) -> dict[str, float]:
    """Measure; `scale` 1 means 10,000 tasks each way. Gives tasks per second, both ways, and their ratio."""
    count = max(WORKERS, int(10_000 * scale / ROUNDS))
    root = Path(tempfile.mkdtemp(prefix="aliquot-bench-"))
    try:
        store = open_store(str(root / "store"))
        executor = ProcessExecutor(store, root / "work", WORKERS)
        bare_seconds = executor_seconds = 0.0
        for number in range(ROUNDS):
            bare_seconds += _bare(root / f"bare-{number}", count)
            documents = _documents(store, number * count, count)
            executor_seconds += _with_executor(executor, documents)
        staging = _staging_rate(store, executor, root / "large", max(16, int(512 * scale)))
        executor.close()
    finally:
        shutil.rmtree(root)
    bare, ours = ROUNDS * count / bare_seconds, ROUNDS * count / executor_seconds
    return {
        "tasks": ROUNDS * count,
        "bare_per_second": bare,
        "executor_per_second": ours,
        "ratio": ours / bare,
        "staging_mib_per_second": staging,
    }


def _bare(root: Path, count: int) -> float:
    root.mkdir()
    files = [root / f"{number}.bin" for number in range(count)]
    for file in files:
        file.write_bytes(os.urandom(SIZE))

    def work(share: int) -> None:
        out = root / f"out-{share}"
        out.mkdir()
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "OUT": str(out)}
        for file in files[share::WORKERS]:
            environment["FILE"] = str(file)
            pid = os.posix_spawn("/bin/sh", ["sh", "-c", COMMAND], environment)
            _, status = os.waitpid(pid, 0)
            assert status == 0

    threads = [threading.Thread(target=work, args=(share,)) for share in range(WORKERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _documents(store: Store, first: int, count: int) -> list[TaskDocument]:
    batch = store.batch()
    for _ in range(count):
        batch.add_bytes(os.urandom(SIZE))
    return [
        TaskDocument(
            key=digest_bytes(str(first + number).encode()),
            task=first + number,
            fence=1,
            name="copy",
            command=COMMAND,
            store=store.url,
            environment={"CPUS": "1"},
            places={"FILE": "in/file/data.bin", "OUT": "out", "BUNDLE": "bundle", "TASK": "task.json"},
            files=(TaskFile("in/file/data.bin", location),),
        )
        for number, location in enumerate(batch.flush())
    ]


def _with_executor(executor: ProcessExecutor, documents: list[TaskDocument]) -> float:
    began = time.perf_counter()
    left = set(executor.submit(documents))
    while left:
        executor.wait(5.0)
        for sighting in executor.look(left):
            if sighting.outcome:
                assert sighting.outcome.state is State.COMPLETE, sighting.outcome.message
                assert len(sighting.outcome.outputs) == len(sighting.outcome.locations) == 1
                left.discard(sighting.handle)
                executor.forget([sighting.handle])
    return time.perf_counter() - began


def _staging_rate(store: Store, executor: ProcessExecutor, path: Path, size: int) -> float:
    """Give the MiB per second at which a file of `size` MiB is put before a command."""
    with path.open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(2**20))
    document = TaskDocument(
        key=digest_bytes(b"large"),
        task=-1,
        fence=1,
        name="large",
        command="true",
        store=store.url,
        files=(TaskFile("in/large/data.bin", store.put_file(path)),),
    )
    (handle,) = executor.submit([document])
    while (outcome := executor.look([handle])[0].outcome) is None:
        executor.wait(5.0)
    assert outcome.state is State.COMPLETE, outcome.message
    return size / (outcome.ended_at - outcome.started_at - outcome.usage.wall)


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2))
