"""What a task costs beside its container: `python benchmarks/bench_containers.py [scale]`.

At scale 1: 40 tasks of `cp "$FILE" "$OUT"/` in an image of nothing but busybox, two at a time, against the same
commands by bare `podman run --rm` with the same mounts from two threads. Podman and busybox have to be installed.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench_tasks import COMMAND, PIPELINE, WORKERS, Lab, write_files

from aliquot.executors.container import ContainerExecutor

ROOT = Path(__file__).parent.parent
TASKS = 40
IMAGE = "localhost/aliquot-bench-busybox:1"


def run(scale: float) -> dict[str, Any]:
    """Give seconds for each, and the milliseconds that a task costs over its bare container."""
    missing = [name for name in ("podman", "busybox") if shutil.which(name) is None]
    if missing:
        return {"skipped": f"{' and '.join(missing)} is not installed here"}
    sys.path.insert(0, str(ROOT / "tests"))
    from executor_place import import_image

    import_image(IMAGE)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-containers-", ignore_cleanup_errors=True) as folder:
            return _measure(Path(folder), max(4, round(TASKS * scale)))
    finally:
        subprocess.run(["podman", "rmi", "--force", IMAGE], check=False, capture_output=True)


def _measure(folder: Path, count: int) -> dict[str, Any]:
    (folder / "files").mkdir()
    files = write_files(folder / "files", 0, count)
    step = {**PIPELINE["steps"]["copy"], "image": IMAGE}
    pipeline = {**PIPELINE, "steps": {"copy": step}}
    lab = Lab(
        folder,
        new=True,
        pipeline=pipeline,
        executor=lambda store, work: ContainerExecutor(store, work, WORKERS, "podman"),
    )
    lab.take_in(files)
    bare, ours = 0.0, _timed(lab.run)
    with ThreadPoolExecutor(WORKERS) as pool:
        began = time.monotonic()
        for _ in pool.map(lambda path: _bare(path, folder), files):
            pass
        bare = time.monotonic() - began
    return {
        "tasks": count,
        "bare_s": round(bare, 2),
        "engine_s": round(ours, 2),
        "ratio_to_bare": round(bare / ours, 3),
        "overhead_ms_per_task": round((ours - bare) * 1000 / count, 1),
    }


def _timed(work: Any) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _bare(path: Path, folder: Path) -> None:
    out = folder / "bare" / path.stem
    out.mkdir(parents=True)
    command = ["podman", "run", "--rm", "--pull=never", "--log-driver=none", "--network=none"]
    command += ["--mount", f"type=bind,source={path},target=/task/file,readonly"]
    command += ["--mount", f"type=bind,source={out},target=/task/out"]
    command += ["--env=FILE=/task/file", "--env=OUT=/task/out", "--entrypoint=/bin/sh", IMAGE, "-c", COMMAND]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2))
