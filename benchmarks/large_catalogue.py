"""A catalogue as large as a laboratory's after years: rows alone, written in bulk into a small lab that works."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from aliquot.db.rows import insert_rows, json_text
from aliquot.db.tables import (
    attempt,
    audit,
    dataset,
    entry,
    event,
    key_input,
    output,
    published,
    receipt,
    result,
    run,
    run_step,
    task,
    version,
)
from aliquot.lab import open_lab

_PROGRAM = Path(sys.executable).parent / "aliquot"
_CHUNK = 50_000
_PUBLISHED, _WIDE = 1_000, 500
_PIPELINE = """
pipeline: copies
inputs: {images: {dataset: images}}
parameters: {word: {type: string, default: hello}}
steps:
  copy:
    inputs: {file: {from: images, glob: "/{name}.tif"}}
    command: cp "$FILE" "$OUT/"
outputs: {copies: {from: copy, publish: copies}}
"""
_CAUSES = ("user", "oom", "timeout")


def make_lab(folder: Path, catalogue: str = "sqlite:///.aliquot/catalogue.db") -> None:
    """Make a lab with one dataset of three files, and one run over them."""
    (folder / "pipelines").mkdir(parents=True)
    (folder / "files").mkdir()
    settings = f"lab: large\ncatalogue: {catalogue}\nexecutor: {{kind: process, workers: 1}}\n"
    (folder / "aliquot.yaml").write_text(settings)
    (folder / "pipelines" / "copies.yaml").write_text(_PIPELINE)
    for number in range(3):
        (folder / "files" / f"image-{number}.tif").write_bytes(bytes([number]) * 1000)
    for words in (("apply",), ("ingest", "images", "files"), ("run", "start", "copies", "--publish", "--wait")):
        environment = {**os.environ, "ALIQUOT_USER": "bench"}
        subprocess.run([_PROGRAM, *words], cwd=folder, env=environment, check=True, capture_output=True)


def inflate(folder: Path, files: int, tasks: int, runs: int = 1) -> int:
    """Write a version of so many files, and runs of so many tasks that are under way; gives the first run's number.

    A receipt and a row of the audit come for each hundredth file. What the first run's tasks read are files of that
    version, what the first thousand gave is published, and the last file of that was made out of five hundred.
    """
    with open_lab(folder) as lab:
        with lab.catalogue.write() as connection:
            _files(connection, files)
            _receipts(connection, files // 100)
            _audit(connection, files // 100)
        with lab.catalogue.write() as connection:
            number = _run(connection, tasks)
            _published(connection, number)
            for more in range(1, runs):
                _run(connection, tasks, more)
        if lab.catalogue.dialect == "postgresql":
            with lab.catalogue.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
    return number


def published_last(tasks: int) -> int:
    """Give the number in the name of the file that was made out of many; each hundredth task has failed."""
    complete = [at for at in range(min(tasks * 6 // 10, _PUBLISHED * 2)) if at % 100]
    return complete[:_PUBLISHED][-1]


def _files(connection: Connection, files: int) -> None:
    there = connection.execute(select(dataset).where(dataset.c.name == "images")).one()
    first = connection.execute(select(version).where(version.c.dataset_id == there.id)).mappings().one()
    given = connection.execute(select(receipt.c.id).limit(1)).scalar_one()
    now = time.time()
    for part in _parts(files):
        rows = [(there.id, _path(at), _digest(at), 1000, 2, given) for at in part]
        insert_rows(connection, entry, ("dataset_id", "path", "digest", "size", "added", "receipt_id"), rows)
    values = dict(first) | {
        "number": 2, "digest": _digest(-1), "parent": first["digest"], "added": files, "files": files + 3,
        "bytes": files * 1000, "created_at": now,
    }  # fmt: skip
    connection.execute(version.insert().values(values))
    connection.execute(update(dataset).where(dataset.c.id == there.id).values(head=2))


def _receipts(connection: Connection, many: int) -> None:
    one = dict(connection.execute(select(receipt).limit(1)).mappings().one())
    one |= {"facts": json_text(one["facts"]), "files": None}
    names = [name for name in one if name != "id"]
    rows = [
        tuple((one | {"path": f"image-{at:07}.tif", "digest": _digest(at), "mtime_ns": at})[name] for name in names)
        for at in range(many)
    ]
    insert_rows(connection, receipt, names, rows)


def _audit(connection: Connection, many: int) -> None:
    last = connection.execute(select(audit).order_by(audit.c.number.desc()).limit(1)).mappings().one()
    one = dict(last) | {"before": None, "after": None}
    names = list(one)
    rows = [
        tuple((one | {"number": at, "subject": f"run {at}", "digest": _digest(at)})[name] for name in names)
        for at in range(last["number"] + 1, last["number"] + 1 + many)
    ]
    insert_rows(connection, audit, names, rows)


def _published(connection: Connection, number: int) -> None:
    """Publish what the first thousand tasks gave, and make the last of them one that reads five hundred files."""
    of = connection.execute(select(dataset).where(dataset.c.name == "copies")).one()
    first = connection.execute(select(version).where(version.c.dataset_id == of.id)).mappings().one()
    complete = (task.c.run_id == number) & (task.c.state == "COMPLETE")
    made = connection.execute(select(task.c.id, task.c.key).where(complete).order_by(task.c.id).limit(_PUBLISHED)).all()
    rows = [
        (of.id, f"/image-{int(each.key.rpartition('-')[2]):07}.tif", _digest(int(each.key.rpartition("-")[2])), 1000, 2,
         each.id)
        for each in made
    ]  # fmt: skip
    insert_rows(connection, entry, ("dataset_id", "path", "digest", "size", "added", "task_id"), rows)
    values = dict(first) | {
        "number": 2, "digest": _digest(-2), "parent": first["digest"], "added": len(rows), "files": len(rows) + 3,
        "bytes": len(rows) * 1000, "created_at": time.time(), "run_id": number, "named": True,
    }  # fmt: skip
    connection.execute(version.insert().values(values))
    connection.execute(update(dataset).where(dataset.c.id == of.id).values(head=2))
    connection.execute(
        published.insert().values(run_id=number, output="copies", step="copy", dataset="copies", number=2)
    )
    wide = [(made[-1].key, "file", _path(at), _digest(at)) for at in range(_WIDE) if f"key-{at}" != made[-1].key]
    insert_rows(connection, key_input, ("key", "input", "path", "digest"), wide)


def _run(connection: Connection, tasks: int, more: int = 0) -> int:
    now = time.time()
    old = dict(connection.execute(select(run).limit(1)).mappings().one())
    step = dict(connection.execute(select(run_step).limit(1)).mappings().one())
    one = dict(connection.execute(select(task).limit(1)).mappings().one())
    tried = dict(connection.execute(select(attempt).limit(1)).mappings().one())
    old.pop("id")
    old |= {
        "state": "RUNNING", "ended_at": None, "created_at": now - 3600, "started_at": now - 3600,
        "parked": tasks // 100, "causes": dict.fromkeys(_CAUSES, tasks // 300),
        "owner": "elsewhere", "fence": 1, "lease_until": now + 1e6, "inputs": {"images": ["images", 2]},
    }  # fmt: skip
    number: int = connection.execute(run.insert().values(old)).inserted_primary_key[0]  # type: ignore[index]
    connection.execute(run_step.insert().values(step | {"run_id": number, "datums": tasks, "carried": 0}))
    names = ("run_id", "step", "ordinal", "key", "datum", "state", "reused", "cause", "message", "attempts", "fence",
             "not_before", "created_at", "ended_at")  # fmt: skip
    for part in _parts(tasks):
        insert_rows(connection, task, names, [_task(number, one, at, tasks, now, more) for at in part])
    ids = connection.execute(select(task.c.id, task.c.state, task.c.key).where(task.c.run_id == number)).all()
    done = [each for each in ids if each.state != "QUEUED"]
    tries = ("task_id", "fence", "executor", "handle", "state", "cause", "message", "exit_code", "wall", "cpu",
             "peak_memory", "input_bytes", "tail", "started_at", "ended_at")  # fmt: skip
    for part in _chunks(done):
        rows = [
            (each.id, 1, tried["executor"], str(each.id), each.state, None, "", 0, 0.5 + each.id % 7, 0.4, 40_000_000,
             1000, "", now - 3600 + each.id % 3000, now - 3500 + each.id % 3000)
            for each in part
        ]  # fmt: skip
        insert_rows(connection, attempt, tries, rows)
        changes = [("task", each.id, "QUEUED", "RUNNING", now - 3000) for each in part]
        changes += [("task", each.id, "RUNNING", each.state, now - 2000) for each in part]
        insert_rows(connection, event, ("kind", "subject", "before", "after", "at"), changes)
    _results(connection, [each for each in done if each.state == "COMPLETE"], now)
    return number


def _results(connection: Connection, done: list[Any], now: float) -> None:
    parts = json_text(connection.execute(select(result.c.parts).limit(1)).scalar_one())
    for part in _chunks(done):
        insert_rows(
            connection, result, ("key", "parts", "task_id", "created_at"),
            [(each.key, parts, each.id, now) for each in part],
        )  # fmt: skip
        named = [(each.key, int(each.key.rpartition("-")[2])) for each in part]
        insert_rows(
            connection, key_input, ("key", "input", "path", "digest"),
            [(key, "file", _path(at), _digest(at)) for key, at in named],
        )  # fmt: skip
        insert_rows(
            connection, output, ("key", "path", "digest", "size"),
            [(key, f"/image-{at:07}.tif", _digest(at), 1000) for key, at in named],
        )  # fmt: skip


def _task(number: int, one: dict[str, Any], at: int, tasks: int, now: float, more: int) -> tuple[Any, ...]:
    state = "EXECUTOR_ERROR" if at % 100 == 0 else "COMPLETE" if at < tasks * 6 // 10 else "QUEUED"
    cause = _CAUSES[at // 100 % 3] if state == "EXECUTOR_ERROR" else None
    ended = None if state == "QUEUED" else now - 2000
    datum = json_text(one["datum"])
    fence = 0 if state == "QUEUED" else 1
    key = f"key-of-{more}-{at}" if more else f"key-{at}"
    return (
        number, one["step"], at + 1, key, datum.replace("image-0", f"image-{at:07}"), state, False, cause,
        "exit code 1" if cause else "", int(cause is not None), fence, 0.0, now - 3600, ended,
    )  # fmt: skip


def _path(at: int) -> str:
    return f"/plate-{at // 1000:04}/well-{at // 100 % 10}/image-{at:07}.tif"


def _digest(number: int) -> str:
    return f"blake3:{number & (1 << 256) - 1:064x}"


def _parts(number: int) -> Iterator[range]:
    for at in range(0, number, _CHUNK):
        yield range(at, min(at + _CHUNK, number))


def _chunks(rows: list[Any]) -> Iterator[list[Any]]:
    for part in _parts(len(rows)):
        yield rows[part.start : part.stop]
