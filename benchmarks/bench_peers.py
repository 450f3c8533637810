"""The same small commands under other engines: `python benchmarks/bench_peers.py [scale]`, or `make bench-peers`.

At scale 1: 500 tasks of `cp "$FILE" "$OUT"/` on files of 4 KiB, two at a time, then all again with nothing changed,
under Snakemake, redun and Luigi where they are installed, and under this engine. Each is a program of its own and pays
for its start. `PEERS` names the folder with the peers' programs; `make bench-peers` fills `.venv-peers/bin`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_tasks import COMMAND, WORKERS, Bare, Lab, write_files

TASKS = 500
PEERS = Path(os.environ.get("PEERS", Path(__file__).parent.parent / ".venv-peers" / "bin"))

SNAKEFILE = """
NAMES = glob_wildcards("files/{name}").name
rule all:
    input: expand("out/{name}", name=NAMES)
rule copy:
    input: "files/{name}"
    output: "out/{name}"
    shell: "FILE={input} OUT=out; " + %r.replace("{", "{{").replace("}", "}}")
"""

LUIGI = """
import luigi, os, pathlib, subprocess
class Copy(luigi.Task):
    name = luigi.Parameter()
    def output(self):
        return luigi.LocalTarget("out/" + self.name)
    def run(self):
        values = {"PATH": os.environ["PATH"], "FILE": "files/" + self.name, "OUT": "out"}
        subprocess.run(["sh", "-c", %r], env=values, check=True)
class All(luigi.WrapperTask):
    def requires(self):
        return [Copy(name=each.name) for each in pathlib.Path("files").iterdir()]
"""

REDUN = """
import os, pathlib, subprocess
from redun import File, task
redun_namespace = "bench"
@task()
def copy(file: File) -> File:
    values = {"PATH": os.environ["PATH"], "FILE": file.path, "OUT": "out"}
    subprocess.run(["sh", "-c", %r], env=values, check=True)
    return File("out/" + pathlib.Path(file.path).name)
@task()
def main() -> list[File]:
    return [copy(File(str(each))) for each in sorted(pathlib.Path("files").iterdir())]
"""

REDUN_SETTINGS = f"[executors.default]\ntype = local\nmax_workers = {WORKERS}\n"


def run(scale: float) -> dict[str, Any]:
    """Give, for each engine, seconds of a first run and of one with nothing changed, and its ratio to bare spawning."""
    count = max(10, round(TASKS * scale))
    with tempfile.TemporaryDirectory(prefix="bench-peers-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "files").mkdir()
        files = write_files(folder / "files", 0, count)
        bare = _timed(lambda: Bare(files, folder).slice(float("inf")))
        figures: dict[str, Any] = {"tasks": count, "bare_s": round(bare, 2), "engine": _engine(folder, files, bare)}
        for peer, prepare in (("snakemake", _snakemake), ("luigi", _luigi), ("redun", _redun)):
            figures[peer] = _peer(folder / peer, folder / "files", peer, prepare, bare, count)
    return figures


def _engine(folder: Path, files: list[Path], bare: float) -> dict[str, float]:
    lab = folder / "lab"
    lab.mkdir()
    Lab(lab, new=True).take_in(files)
    command = [sys.executable, __file__, "--engine", str(lab)]
    first, again = (_timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(2))
    return {"first_s": round(first, 2), "again_s": round(again, 2), "ratio_to_bare": round(bare / first, 3)}


def _peer(
    folder: Path, files: Path, name: str, prepare: Callable[[Path], list[str]], bare: float, count: int
) -> dict[str, Any]:
    program = PEERS / name
    if not program.exists():
        return {"skipped": f"{program} is not there; `make bench-peers` installs it"}
    folder.mkdir()
    (folder / "out").mkdir()
    (folder / "files").symlink_to(files)
    command = [str(program), *prepare(folder)]
    values = {**os.environ, "PYTHONPATH": str(folder)}
    took: list[float] = []
    for _ in range(2):
        began = time.monotonic()
        done = subprocess.run(command, cwd=folder, env=values, capture_output=True, text=True, check=False)
        took.append(time.monotonic() - began)
        made = sum(1 for _ in (folder / "out").iterdir())
        if done.returncode or made != count:
            return {"skipped": f"{name} made {made} of {count} files and ended with {done.returncode}"}
    return {"first_s": round(took[0], 2), "again_s": round(took[1], 2), "ratio_to_bare": round(bare / took[0], 3)}


def _snakemake(folder: Path) -> list[str]:
    (folder / "Snakefile").write_text(SNAKEFILE % COMMAND)
    return ["--cores", str(WORKERS), "--quiet", "all"]


def _luigi(folder: Path) -> list[str]:
    (folder / "copies.py").write_text(LUIGI % COMMAND)
    return ["--module", "copies", "All", "--local-scheduler", "--workers", str(WORKERS), "--log-level", "ERROR"]


def _redun(folder: Path) -> list[str]:
    (folder / ".redun").mkdir()
    (folder / ".redun" / "redun.ini").write_text(REDUN_SETTINGS)
    (folder / "copies.py").write_text(REDUN % COMMAND)
    return ["run", "copies.py", "main"]


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    if sys.argv[1:2] == ["--engine"]:
        Lab(Path(sys.argv[2])).run()
    else:
        print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2))
