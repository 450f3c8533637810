"""A large file through a step: `python benchmarks/bench_large_step.py [scale]`.

At scale 1: 10 GB, staged for a command that moves it to its output, digested and stored, everything durable; against
`cp`, a flush, and one pass of BLAKE3 over the copy. The command itself costs nothing, and reads nothing. Turns
alternate. Where the file system has reflinks, `cp` and the engine use them alike; the answer says whether it has.
The disk has to hold the file four times.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_tasks import PIPELINE, Lab
from blake3 import blake3
from peak_memory import peak_mib

LARGE = 10_000_000_000
TURNS = 3
_PIECE = 1 << 20


def run(scale: float) -> dict[str, Any]:
    """Give seconds, the ratio (above 1: the engine is the faster one), and peak memory in MiB."""
    size = max(10 * _PIECE, int(LARGE * scale))
    with tempfile.TemporaryDirectory(prefix="bench-large-step-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < 5 * size:
            return {"skipped": f"the disk under {folder} does not hold {size} bytes five times"}
        source = folder / "files" / "large.bin"
        source.parent.mkdir()
        bare: list[float] = []
        ours: list[float] = []
        for turn in range(TURNS):
            # Other content each time: what has been computed once is not computed again.
            _write(source, size, turn)
            bare.append(_copy_and_digest(source, folder / "copy"))
            ours.append(_through(folder / f"lab-{turn}", source))
        reflinks = subprocess.run(
            ["cp", "--reflink=always", source, folder / "link"], check=False, capture_output=True
        ).returncode
    one, other = statistics.median(bare), statistics.median(ours)
    return {
        "bytes": size,
        "reflinks": reflinks == 0,
        "copy_and_digest_s": round(one, 2),
        "engine_s": round(other, 2),
        "ratio_to_copy_and_digest": round(one / other, 3),
        "peak_mib": peak_mib(),
    }


def _write(target: Path, size: int, turn: int) -> None:
    piece = os.urandom(8 * _PIECE)
    with target.open("wb") as file:
        for number in range(0, size, len(piece)):
            file.write(turn.to_bytes(8, "little") + piece[8 : size - number])
        file.flush()
        os.fsync(file.fileno())


def _copy_and_digest(source: Path, target: Path) -> float:
    began = time.monotonic()
    subprocess.run(["cp", source, target], check=True)
    hasher = blake3()
    with target.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        while data := file.read(_PIECE):
            hasher.update(data)
    took = time.monotonic() - began
    target.unlink()
    return took


def _through(folder: Path, source: Path) -> float:
    folder.mkdir()
    step = {**PIPELINE["steps"]["copy"], "command": 'mv "$FILE" "$OUT"/'}
    lab = Lab(folder, new=True, pipeline={**PIPELINE, "steps": {"copy": step}})
    lab.take_in([source])
    began = time.monotonic()
    lab.run()
    took = time.monotonic() - began
    shutil.rmtree(folder)
    return took


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2))
