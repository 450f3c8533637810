"""What it costs to make datums: `python benchmarks/bench_plan.py [scale]`.

At scale 1: a step of 100,000 datums by `/*`; a join of 100,000 files with 100,000; a dataset of 1,000,000 files, as
one datum of each, as a group of each hundred and as one datum. First the datums and their keys alone, from files in
memory; then the whole plan of the first two, from the entries of a catalogue in SQLite. The raw limit beside the join
is a plain dictionary over the paths. One thread computes all of it: times are its seconds of processor, each case in a
fresh process.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from peak_memory import peak_mib
from sqlalchemy import insert

from aliquot.blobs import open_store
from aliquot.datasets.commit import Change, commit
from aliquot.datasets.delta import NewEntry
from aliquot.datasets.read import Version, resolve
from aliquot.db import open_catalogue, tables
from aliquot.engine.combine import form
from aliquot.engine.datums import File
from aliquot.engine.keys import Keys, StepParts, step_parts
from aliquot.engine.plan import input_files, plan_step
from aliquot.model.digest import EMPTY, digest_bytes
from aliquot.model.pipeline import Pipeline, Step
from aliquot.model.reference import parse_reference

JOIN = {
    "join": [
        {"reads": {"from": "reads", "glob": "/{sample}.fq", "join_on": "$sample"}},
        {"sheet": {"from": "sheet", "glob": "/{sample}.csv", "join_on": "$sample"}},
    ]
}
STAR = {"reads": {"from": "reads", "glob": "/*"}}
GROUP = {"reads": {"from": "reads", "glob": "/{plate}_*", "group_by": "$plate"}}
PARTS = StepParts("environment", None, "true", {}, {})


def step(inputs: dict[str, Any]) -> Step:
    """Make a step of these inputs."""
    return Step.model_validate({"inputs": inputs, "command": "true"})


def files(count: int, suffix: str) -> list[File]:
    """Name so many files, a hundred to a plate."""
    return [File(f"/{at // 100:05d}_{at % 100:02d}{suffix}", EMPTY, 0) for at in range(count)]


def datums(inputs: dict[str, Any], count: int) -> dict[str, float]:
    """Make datums and keys from files in memory."""
    held = {"reads": files(count, ".fq"), "sheet": files(count, ".csv")}
    taken = step(inputs)
    began = time.process_time()
    made = form(taken, {name: held[name] for name in taken.inputs})
    formed = time.process_time()
    keys = Keys(PARTS)
    for datum in made:
        keys.key(datum, {})
    return {"datums": len(made), "form_cpu_s": formed - began, "keys_cpu_s": time.process_time() - formed}


def dictionary(count: int) -> dict[str, float]:
    """Join two lists of paths as plainly as it can be done."""
    reads, sheet = files(count, ".fq"), files(count, ".csv")
    began = time.process_time()
    found = {file.path.removesuffix(".csv"): file for file in sheet}
    pairs = [(file, found.get(file.path.removesuffix(".fq"))) for file in reads]
    assert len(pairs) == count
    return {"raw_cpu_s": time.process_time() - began}


def plan(inputs: dict[str, Any], count: int) -> dict[str, float]:
    """Plan a step whose inputs are versions of a catalogue."""
    with tempfile.TemporaryDirectory(prefix="bench-plan-") as folder:
        catalogue, store = open_catalogue(f"sqlite:///{folder}/catalogue.db"), open_store(f"{folder}/store")
        bound: dict[str, Version] = {}
        pipeline = Pipeline.model_validate(
            {
                "pipeline": "p",
                "inputs": {name: {"dataset": name} for name in ("reads", "sheet")},
                "steps": {"s": {"inputs": inputs, "command": "true"}},
            }
        )
        taken = pipeline.steps["s"]
        for name, suffix in (("reads", ".fq"), ("sheet", ".csv")):
            adds = [NewEntry(file.path, digest_bytes(file.path.encode()), 1) for file in files(count, suffix)]
            commit(catalogue, store, Change(name, adds), partial(record, adds))
            with catalogue.read() as connection:
                bound[name] = resolve(connection, parse_reference(name))
        began = time.process_time()
        with catalogue.read() as connection:
            held = input_files(connection, pipeline, taken, bound, {})
            planned = plan_step(connection, taken, step_parts(pipeline, taken, {}, {}, "environment"), held, {})
        assert len(planned) == count
        return {"plan_cpu_s": time.process_time() - began}


def record(adds: list[NewEntry], connection: Any, _: object) -> None:
    """Let the catalogue know blobs that nobody reads."""
    connection.execute(insert(tables.blob), [{"digest": each.digest, "size": each.size, "offset": 0} for each in adds])


CASES: dict[str, Callable[[int], dict[str, float]]] = {
    "star": lambda count: datums(STAR, count),
    "join": lambda count: datums(JOIN, count) | dictionary(count),
    "million": lambda count: datums(STAR, 10 * count),
    "million_grouped": lambda count: datums(GROUP, 10 * count),
    "million_as_one": lambda count: datums({"reads": {"from": "reads", "glob": "/"}}, 10 * count),
    "star_from_catalogue": lambda count: plan(STAR, count),
    "join_from_catalogue": lambda count: plan(JOIN, count),
}


def run(scale: float) -> dict[str, Any]:
    """Measure each case in a process of its own."""
    count = max(100, round(100_000 * scale))
    figures: dict[str, Any] = {"files": count}
    for case in CASES:
        command = [sys.executable, __file__, "--case", case, str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        figures |= {f"{case}_{name}": value for name, value in json.loads(done.stdout).items()}
    return figures


def main() -> None:
    """Print a table, and one line of JSON."""
    if sys.argv[1:2] == ["--case"]:
        measured = CASES[sys.argv[2]](int(sys.argv[3]))
        print(json.dumps({name: round(value, 3) for name, value in measured.items()} | {"peak_mib": peak_mib()}))
        return
    figures = run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
