"""How fast files come in: many small ones beside `cp -r` and `sync`, a large one beside a copy that is flushed.

    python benchmarks/bench_ingest.py [scale]     # scale 1: 50,000 files of 4 KiB, and one of 5 GB

Small files are taken in by hand and through a source, with every digest, receipt and row. The large one is set against
copy + fsync, then one pass of BLAKE3 over the copy, which is what a copy with a digest costs at least. Each figure is
the median of turns that alternate, since a disk's mood changes. Each run of ours is a process of its own, so that its
peak memory is its own; it is timed from the opened lab on. `DVC=/path/to/dvc` adds `dvc add`.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blake3 import blake3

FILES = 50_000
SIZE = 4096
LARGE = 5_000_000_000
TURNS = 3
_PIECE = 1 << 20

OURS = """
import json, sys, time
from pathlib import Path
from aliquot.blobs import open_store
from aliquot.db import open_catalogue
from aliquot.intake.by_hand import ingest
from aliquot.intake.source import SourceIntake
from aliquot.model.file_type import FileType
from aliquot.model.lab_config import Source
sys.path.append(sys.argv[4])
from peak_memory import peak_mib
place, given, way = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
store = open_store(str(place / "store"))
catalogue = open_catalogue(f"sqlite:///{place}/catalogue.db")
opened = time.perf_counter()
if way == "by hand":
    added = ingest(catalogue, store, "bench", [given], "bench")[0].added
else:
    types = {"any": FileType.model_validate({"type": "any", "recognise": {"name": "*"}})}
    rule = {"watch": str(given), "settled": {"quiet": 0}, "accept": [{"type": "any", "into": "bench"}]}
    added = SourceIntake(catalogue, store, "bench", Source.model_validate(rule), types, place).look().taken.added
took = time.perf_counter() - opened
print(json.dumps({"added": added, "seconds": took, "peak_mib": peak_mib()}))
"""


def run(scale: float = 1.0) -> dict[str, Any]:
    """Give seconds, ratios and peak memory in MiB; above 1, `times_cp` and `times_copy_and_digest` mean faster."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        return {"small": _small(place, max(100, int(FILES * scale))), "large": _large(place, int(LARGE * scale))}


def _small(place: Path, files: int) -> dict[str, Any]:
    given = place / "small"
    for number in range(files):
        target = given / f"{number // 1000:03}" / f"{number:06}.bin"
        if number % 1000 == 0:
            target.parent.mkdir(parents=True)
        target.write_bytes(os.urandom(SIZE))
    ways: dict[str, Callable[[Path], dict[str, float]]] = {
        "cp_and_sync": lambda fresh: _timed(f"cp -r '{given}' '{fresh}/copy' && sync"),
        "by_hand": lambda fresh: _ours(fresh, given, "by hand", files),
        "source": lambda fresh: _ours(fresh, given, "source", files),
    }
    if dvc := os.environ.get("DVC"):
        ways["dvc_add"] = lambda fresh: _dvc(fresh, given, dvc)
    figures = _turns(place, ways)
    cp = figures["cp_and_sync"]["seconds"]
    ratios = {
        f"{way}_times_cp": round(cp / each["seconds"], 2) for way, each in figures.items() if way != "cp_and_sync"
    }
    return {"files": files, **figures, **ratios}


def _large(place: Path, size: int) -> dict[str, Any]:
    given = place / "large"
    given.mkdir()
    with (given / "large.bin").open("wb") as file:
        piece = os.urandom(8 * _PIECE)
        for number in range(0, size, len(piece)):
            file.write(piece[: size - number])
    ways: dict[str, Callable[[Path], dict[str, float]]] = {
        "copy_and_digest": lambda fresh: _copy_and_digest(given / "large.bin", fresh / "copy"),
        "by_hand": lambda fresh: _ours(fresh, given, "by hand", 1),
    }
    figures = _turns(place, ways)
    ratio = round(figures["copy_and_digest"]["seconds"] / figures["by_hand"]["seconds"], 2)
    return {"bytes": size, **figures, "by_hand_times_copy_and_digest": ratio}


def _turns(place: Path, ways: dict[str, Callable[[Path], dict[str, float]]]) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for turn in range(TURNS):
        for way, work in ways.items():
            fresh = place / f"{way}-{turn}"
            fresh.mkdir()
            os.sync()
            found[way].append(work(fresh))
            if way in {"copy_and_digest", "by_hand"}:
                # Large ones would fill the disk; bulk deletes of small ones would slow the turns that follow.
                shutil.rmtree(fresh)
    return {
        way: {key: round(statistics.median(one[key] for one in each), 3) for key in each[0]}
        for way, each in found.items()
    }


def _timed(command: str) -> dict[str, float]:
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, shell=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.perf_counter() - began, "cpu_seconds": spent}


def _ours(fresh: Path, given: Path, way: str, files: int) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", OURS, str(fresh), str(given), way, str(Path(__file__).parent)]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.pop("added") == files
    return done | {"cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def _copy_and_digest(source: Path, target: Path) -> dict[str, float]:
    began = time.perf_counter()
    shutil.copyfile(source, target)
    with target.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        hasher = blake3()
        while data := file.read(_PIECE):
            hasher.update(data)
    return {"seconds": time.perf_counter() - began}


def _dvc(fresh: Path, given: Path, dvc: str) -> dict[str, float]:
    shutil.copytree(given, fresh / "data")
    subprocess.run([dvc, "init", "--no-scm", "-q"], cwd=fresh, check=True)
    os.sync()
    began = time.perf_counter()
    subprocess.run([dvc, "add", "-q", "data"], cwd=fresh, check=True)
    os.sync()
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2))
