"""How fast a large file comes in over HTTP, beside a copy that is flushed and digested.

    python benchmarks/bench_upload.py [scale]     # scale 1: 5 GB

The file is sent in pieces of 64 MiB to `aliquot serve` on loopback and taken in; seconds are from the first request to
the answer that tells the version. The peak memory is the server's own, over all of it.
"""

import base64
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from blake3 import blake3
from peak_memory import peak_mib

LARGE = 5_000_000_000
_PIECE = 64 << 20
_PROGRAM = Path(sys.executable).parent / "aliquot"


def run(scale: float = 1.0) -> dict[str, Any]:
    """Give seconds and megabytes a second of both ways, `times_copy_and_digest` (above 1: faster), and peak MiB."""
    with tempfile.TemporaryDirectory(prefix="bench-upload-", ignore_cleanup_errors=True) as folder:
        place, size = Path(folder), int(LARGE * scale)
        given = place / "given.bin"
        with given.open("wb") as file:
            for _ in range(0, size, 1 << 20):
                file.write(secrets.token_bytes(1 << 20))
        size = given.stat().st_size
        plain = _copy(given, place / "copy.bin")
        (place / "copy.bin").unlink()
        seconds, cpu, peak = _upload(given, size, place / "lab")
    return {
        "bytes": size, "copy_and_digest_seconds": plain, "upload_seconds": seconds,
        "mb_per_second": size / seconds / 1e6, "times_copy_and_digest": plain / seconds, "peak_mib": peak,
        "server_cpu_seconds": cpu,
    }  # fmt: skip


def _copy(given: Path, target: Path) -> float:
    began = time.perf_counter()
    with given.open("rb") as source, target.open("wb") as out:
        while piece := source.read(1 << 20):
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    hasher = blake3()
    with target.open("rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return time.perf_counter() - began


def _upload(given: Path, size: int, lab: Path) -> tuple[float, float, int]:
    lab.mkdir()
    (lab / "aliquot.yaml").write_text("lab: bench\n")
    log = lab / "serve.log"
    environment = {**os.environ, "ALIQUOT_LISTEN": "127.0.0.1:0"}
    command = [_PROGRAM, "user", "add", "bench", "--role", "technician", "--json"]
    subprocess.run(command, cwd=lab, env=environment, check=True, capture_output=True)
    command = [_PROGRAM, "token", "create", "bench", "--user", "bench", "--scope", "dataset.ingest", "--json"]
    token = json.loads(subprocess.run(command, cwd=lab, env=environment, check=True, capture_output=True).stdout)
    with log.open("wb") as out:
        server = subprocess.Popen([_PROGRAM, "serve"], cwd=lab, env=environment, stdout=out, stderr=out)
    try:
        while not (found := re.search(r"(http://127\S+?)\.\n", log.read_text())):
            time.sleep(0.1)
        headers = {"authorization": f"Bearer {token['word']}"}
        with httpx.Client(base_url=found[1], headers=headers, timeout=600) as client:
            before = _cpu(server.pid)
            seconds = _send(client, given, size)
            cpu = _cpu(server.pid) - before
        return seconds, cpu, peak_mib(server.pid)
    finally:
        server.terminate()
        server.wait(60)


def _cpu(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _send(client: httpx.Client, given: Path, size: int) -> float:
    began = time.perf_counter()
    name = base64.b64encode(b"given.bin").decode()
    asked = {"upload-length": str(size), "upload-metadata": f"filename {name}"}
    begun = client.post("/api/v1/uploads", headers=asked)
    begun.raise_for_status()
    with given.open("rb") as file:
        for offset in range(0, size, _PIECE):
            sent = client.patch(
                begun.headers["location"], content=file.read(_PIECE), headers={"upload-offset": str(offset)}
            )  # fmt: skip
            sent.raise_for_status()
    wish = {"into": "bench", "uploads": [begun.json()["upload"]]}
    client.post("/api/v1/uploads/take", json=wish).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2) + "\n")
