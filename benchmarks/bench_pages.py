"""How long pages and lists of a large lab take: a catalogue of 1,000,000 files, and a run of 100,000 tasks under way.

    python benchmarks/bench_pages.py [scale]

A real `aliquot serve` on loopback. For each address: the server's processor time of one answer, of ten one after the
other, and its size. For each route: the 95th percentile of the server's own time while 20 people ask for one address
after the other, each two seconds after the last answer. Then the first paint in Chromium, where that is, and 200 open
live pages. ALIQUOT_BENCH_CATALOGUE takes another
database than SQLite, such as a PostgreSQL URL.
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from first_paint import first_paints
from large_catalogue import inflate, make_lab, published_last

_PROGRAM = Path(sys.executable).parent / "aliquot"
_PASSWORD = "a bench that is quite long"
_USERS, _ROUNDS, _ALONE, _LIVE = 20, 3, 10, 200
_LOOKS = 2.0
"""Seconds between an answer and the next question of each of the people."""
_TICK = os.sysconf("SC_CLK_TCK")


def run(scale: float = 1.0) -> dict[str, Any]:
    """Give milliseconds and bytes by address, and what open live pages take."""
    files, tasks = int(1_000_000 * scale), int(100_000 * scale)
    with tempfile.TemporaryDirectory(prefix="bench-pages-", ignore_cleanup_errors=True) as folder:
        lab = Path(folder) / "lab"
        make_lab(lab, os.environ.get("ALIQUOT_BENCH_CATALOGUE", "sqlite:///.aliquot/catalogue.db"))
        number = inflate(lab, files, tasks)
        return {"files": files, "tasks": tasks, **measure(lab, number, tasks)}


def measure(lab: Path, number: int, tasks: int) -> dict[str, Any]:
    """Measure a lab that is there."""
    with _server(lab) as (pid, address, log):
        client = _signed_in(address, log)
        alone = {path: _alone(client, pid, path) for path in addresses(number, tasks)}
        load, wall = os.getloadavg()[0], time.perf_counter()
        before = len(log.read_text().splitlines())
        _together(client, list(alone))
        wall = time.perf_counter() - wall
        times = _times(log.read_text().splitlines()[before:])
        return {
            "load": load, "requests_per_second": len(alone) * _USERS * _ROUNDS / wall,
            "pages": {path: {**found, "p95_ms": times.get(_pattern(path))} for path, found in alone.items()},
            "p95_by_route_ms": dict(sorted(times.items(), key=lambda each: -each[1])),
            "first_paint_ms": first_paints(address, dict(client.cookies), _painted(number)),
            "live": _live(client, pid),
        }  # fmt: skip


def addresses(number: int, tasks: int) -> list[str]:
    """Give the addresses that are asked for: every page and list that grows with files or tasks, and some others."""
    last = tasks - 1
    run, wide = f"/runs/{number}", f"/datasets/copies/2/lineage/image-{published_last(tasks):07}.tif"
    pages = [
        "/", "/home.json", "/datasets", "/datasets/images", "/datasets/images/2",
        "/datasets/images/2?folder=/plate-0001/", "/datasets/images/2/diff/1", "/runs", "/runs?state=RUNNING", run,
        f"{run}.json", f"{run}/tasks", f"{run}/tasks?stands=waiting", f"{run}/tasks?stands=parked",
        f"{run}/tasks?cause=oom", f"{run}/tasks?datum=99", f"{run}/tasks/copy/{last}", f"{run}/outputs",
        f"{run}/resources", f"{run}/compare?other=1", "/pipelines", "/pipelines/copies", "/pipelines/copies/start",
        "/quarantine", "/receipts", "/hub", "/sources", "/administration", "/administration/people",
        "/administration/audit", "/metrics", "/datasets/copies/1/files/image-0.tif",
        "/datasets/copies/1/lineage/image-0.tif", f"{wide}", f"{wide}?unfold=all", "/datasets/copies/2/lineage/",
    ]  # fmt: skip
    lists = [
        "/api/v1/runs", f"/api/v1{run}", f"/api/v1{run}/tasks?limit=100", f"/api/v1{run}/outputs", "/api/v1/datasets",
        "/api/v1/datasets/images", "/api/v1/datasets/images/versions/2",
        "/api/v1/datasets/images/versions/2/diff?before=1",
        "/api/v1/datasets/images/versions/2/files",
        "/api/v1/receipts", "/api/v1/quarantine", "/api/v1/pipelines", "/api/v1/audit", "/api/v1/people",
        "/api/v1/administration", f"/api/v1{run}/parked", f"/api/v1{run}/resources", "/api/v1/sources", "/api/v1/home",
    ]  # fmt: skip
    return pages + lists


def _painted(number: int) -> list[str]:
    """Give the pages whose first paint is measured: those that people come to, and those that have most to show."""
    return [
        "/", "/datasets", "/datasets/images/2", "/datasets/copies/1/files/image-0.tif", "/runs", f"/runs/{number}",
        f"/runs/{number}/tasks", f"/runs/{number}/resources", "/datasets/images/2/diff/1", "/pipelines/copies/start",
        "/datasets/copies/2/lineage/", "/administration/people",
    ]  # fmt: skip


def _alone(client: httpx.Client, pid: int, path: str) -> dict[str, Any]:
    answer = client.get(path)
    began, cpu = time.perf_counter(), _cpu(pid)
    for _ in range(_ALONE):
        answer = client.get(path)
    return {
        "status": answer.status_code, "bytes": len(answer.content),
        "cpu_ms": (_cpu(pid) - cpu) / _ALONE * 1000, "ms": (time.perf_counter() - began) / _ALONE * 1000,
    }  # fmt: skip


def _together(client: httpx.Client, paths: Sequence[str]) -> None:
    def ask(at: int) -> None:
        with httpx.Client(base_url=client.base_url, cookies=dict(client.cookies), timeout=300) as own:
            for turn in range(_ROUNDS):
                for step in range(len(paths)):
                    own.get(paths[(step + at * 7 + turn) % len(paths)])
                    # People look at what they have asked for.
                    time.sleep(_LOOKS)

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(_USERS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _times(lines: Sequence[str]) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") == "request":
            found[said["path"]].append(said["ms"])
    return {path: statistics.quantiles(each, n=20)[18] for path, each in found.items() if len(each) >= _USERS}


def _pattern(path: str) -> str:
    plain = path.partition("?")[0]
    for there, name in (
        (r"/lineage/.*", "/lineage/{path:path}"), (r"/files/.*", "/files/{path:path}"),
        (r"/datasets/copies/\d", "/datasets/{name}/{version}"),
        (r"(/runs/\d+)/tasks/copy/\d+", r"\1/tasks/{step}/{ordinal}"), (r"/runs/\d+", "/runs/{number}"),
        (r"/versions/2", "/versions/{version}"), (r"/datasets/images/2", "/datasets/{name}/{version}"),
        (r"/datasets/images", "/datasets/{name}"), ("/diff/1", "/diff/{before}"),
        ("/pipelines/copies", "/pipelines/{name}"),
    ):  # fmt: skip
        plain = re.sub(there, name, plain)
    return plain


def _live(client: httpx.Client, pid: int) -> dict[str, float]:
    memory = _memory(pid)
    with ExitStack() as stack:
        for _ in range(_LIVE):
            own = stack.enter_context(httpx.Client(base_url=client.base_url, cookies=dict(client.cookies), timeout=60))
            stream = stack.enter_context(own.stream("GET", "/events/stream?topics=runs,arrivals"))
            next(stream.iter_lines())
        time.sleep(2)
        cpu, began = _cpu(pid), time.perf_counter()
        time.sleep(20)
        used = (_cpu(pid) - cpu) / (time.perf_counter() - began)
        return {"pages": _LIVE, "cpu_share": used, "mib": _memory(pid), "mib_before": memory}


@contextmanager
def _server(lab: Path) -> Generator[tuple[int, str, Path]]:
    log = lab / "serve.log"
    environment = {**os.environ, "ALIQUOT_LISTEN": "127.0.0.1:0", "ALIQUOT_LOG": "json", "ALIQUOT_LOG_LEVEL": "info"}
    with log.open("wb") as out:
        server = subprocess.Popen([_PROGRAM, "serve"], cwd=lab, env=environment, stdout=out, stderr=out)
    try:
        while not (found := re.search(r'"address": ?"(http://[^"]+)"', log.read_text())):
            if server.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        yield server.pid, found[1], log
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _signed_in(address: str, log: Path) -> httpx.Client:
    client = httpx.Client(base_url=address, timeout=300)
    link = re.search(r"once: (http\S+)", log.read_text())
    if link is None:
        page = client.get("/login").text
        sent = {"name": "admin", "password": _PASSWORD, "csrf": _word(page), "next": "/"}
        client.post("/login", data=sent)
    else:
        page = client.get(link[1]).text
        client.post(link[1], data={"password": _PASSWORD, "again": _PASSWORD, "csrf": _word(page)})
    return client


def _word(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def _cpu(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICK


def _memory(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2) + "\n")
