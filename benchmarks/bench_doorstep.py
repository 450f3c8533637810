"""How soon a file is a version once it is closed, and what a look costs at files that are all known.

    python benchmarks/bench_doorstep.py [scale] [PART…]      # parts: arrivals, files, objects, listed
    # scale 1: 200 files one after the other; 1,000,000 known local files; 100,000 known objects of moto's S3 server;
    # 1,000,000 known objects of a server that lists and does nothing else

The first part is of `aliquot up` over a folder with a quiet period of 0.2 s, from the close of a file till another
process finds its receipt, less the quiet period. The others compare a look with a bare listing of the same, each in a
process of its own: `first` after a start, when the catalogue is asked about every file, `again` when nothing has
changed; `processor` is the processor time of each. Peak memory is that of the process in MiB. Half of the local files
are called like sidecar files of the others: sources that wait for sidecar files, sets and manifests look at the same,
and `new` is then a look to which one file with its other has come.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import obstore
from obstore.store import from_url
from sqlalchemy import select

from aliquot.db import Catalogue, open_catalogue
from aliquot.db.tables import receipt
from aliquot.intake import receipts
from aliquot.intake.bucket import Bucket as BucketPlace
from aliquot.intake.folder import Folder
from aliquot.intake.place import Place
from aliquot.intake.receipts import NewReceipt
from aliquot.model.digest import EMPTY
from bucket import bucket_of

QUIET = 0.2
_PROGRAM = Path(sys.executable).parent / "aliquot"
_LAB = f"""\
lab: bench
sources:
  inbox: {{watch: ./inbox, settled: {{quiet: {QUIET}s}}, accept: [{{type: any, into: files}}]}}
"""
_LOOK = """
import json, sys, time
from pathlib import Path
from aliquot.blobs import open_store
from aliquot.db import open_catalogue
from aliquot.intake.source import SourceIntake
from aliquot.model.file_type import FileType
from aliquot.model.lab_config import Source
given = json.loads(sys.argv[1])
sys.path.append(given["benchmarks"])
from peak_memory import peak_mib
lab = Path(given["lab"])
source = Source.model_validate(
    {"watch": given["watch"], "settings": given["settings"], "since": "all",
     "settled": {"quiet": 0, **given["settled"]}, "accept": [{"type": "any", "into": "files"}]}
)
types = {"any": FileType.model_validate({"type": "any", "recognise": {"name": "*.csv"}, **given["asks"]})}
catalogue, store = open_catalogue(given["catalogue"]), open_store(str(lab / "store"))
intake = SourceIntake(catalogue, store, "bench", source, types, lab)
seconds, busy = [], []
for _ in range(3):
    began, worked = time.perf_counter(), time.process_time()
    if given["look"]:
        look = intake.look()
        assert not look.taken.safe and not look.pending, look
        count = look.listed
    else:
        count = sum(len(page) for page in intake.place.pages((), print))
    seconds.append(time.perf_counter() - began)
    busy.append(time.process_time() - worked)
new = {}
if given["comes"]:
    for name, text in given["comes"].items():
        (Path(given["watch"]) / name).write_text(text)
    began, worked = time.perf_counter(), time.process_time()
    look = intake.look()
    assert look.taken.added >= 1 and not look.pending and not look.taken.quarantined, look
    new = {"new": time.perf_counter() - began, "new_processor": time.process_time() - worked}
print(json.dumps({
    "files": count, "first": seconds[0], "again": min(seconds[1:]), "first_processor": busy[0],
    "again_processor": min(busy[1:]), **new, "peak_mib": peak_mib(),
}))
"""


_NOTHING: Mapping[str, dict[str, Any]] = {}
_PLAIN: dict[str, Any] = {"settled": {}, "asks": {}, "comes": {}}
_WAITING: dict[str, dict[str, Any]] = {
    "sidecar": {
        "settled": {}, "asks": {"describe": {"required": ["site"]}},
        "comes": {"0000/new.csv": "1", "0000/new.yaml": "site: north\n"},
    },
    "set": {
        "settled": {"set": ["{n}.csv", "{n}.yaml"]}, "asks": {},
        "comes": {"0001/new.csv": "1", "0001/new.yaml": "2"},
    },
    "manifest": {
        "settled": {"manifest": "*.sheet"}, "asks": {},
        "comes": {"0002/new.csv": "1", "0002/new.sheet": "file\nnew.csv\n000.csv\n"},
    },
}  # fmt: skip
"""Sources in which files wait for others, and what comes there."""


def run(scale: float = 1.0, parts: Sequence[str] = ("arrivals", "files", "objects", "listed")) -> dict[str, Any]:
    """Measure the parts."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-doorstep-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        if "arrivals" in parts:
            results["close to version"] = _arrivals(place / "up", max(20, int(200 * scale)))
        if "files" in parts:
            results["known local files"] = _known_files(place / "files", max(1000, int(1_000_000 * scale)))
        if "objects" in parts:
            with pytest.MonkeyPatch.context() as patch:
                results["known objects"] = _known_objects(place / "objects", max(500, int(100_000 * scale)), patch)
        if "listed" in parts:
            results["listed objects"] = _listed_objects(place / "listed", max(2000, int(1_000_000 * scale)))
    return results


def _arrivals(lab: Path, count: int) -> dict[str, Any]:
    (lab / "inbox").mkdir(parents=True)
    (lab / "types").mkdir()
    (lab / "aliquot.yaml").write_text(_LAB)
    (lab / "types/any.yaml").write_text('type: any\nrecognise: {name: "*"}\n')
    subprocess.run([_PROGRAM, "apply"], cwd=lab, check=True, capture_output=True)
    with (lab / "up.log").open("wb") as log:
        up = subprocess.Popen([_PROGRAM, "up"], cwd=lab, stdout=log, stderr=log)
    catalogue = open_catalogue(f"sqlite:///{lab}/.aliquot/catalogue.db")
    try:
        _arrives(catalogue, lab / "inbox", "first")
        late = sorted(_arrives(catalogue, lab / "inbox", f"{number}.csv") - QUIET for number in range(count))
    finally:
        up.terminate()
        up.wait(60)
        catalogue.close()
    return {"files": count, "median": median(late), "p99": late[int(0.99 * (count - 1))], "most": late[-1]}


def _arrives(catalogue: Catalogue, inbox: Path, name: str) -> float:
    """Write a file, and give the seconds from its close till its receipt is there."""
    wanted = select(receipt.c.id).where(receipt.c.path == f"/{name}")
    (inbox / name).write_text(name)
    closed = time.perf_counter()
    while True:
        with catalogue.read() as connection:
            if connection.execute(wanted).first() is not None:
                return time.perf_counter() - closed
        time.sleep(0.005)


def _known_files(lab: Path, count: int) -> dict[str, Any]:
    inbox = lab / "inbox"
    for number in range(count):
        if number % 1000 == 0:
            (inbox / f"{number // 1000:04}").mkdir(parents=True)
        name = f"{number % 1000 // 2:03}.{'yaml' if number % 2 else 'csv'}"
        os.close(os.open(inbox / f"{number // 1000:04}/{name}", os.O_CREAT | os.O_WRONLY))
    return _look(lab, Folder(inbox), str(inbox), {}, _WAITING)


def _known_objects(lab: Path, count: int, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    lab.mkdir()
    with bucket_of(patch) as bucket:
        url = f"s3://{bucket.name}/known"
        client = from_url(url, config=dict(bucket.settings), client_options={"allow_http": True})  # type: ignore[arg-type]

        def put(number: int) -> None:
            obstore.put(client, f"{number // 1000:04}/{number % 1000:03}.csv", b"x", use_multipart=False)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(count)))
        return _look(lab, BucketPlace(url, bucket.settings, lab / "disk"), url, bucket.settings)


def _listed_objects(lab: Path, count: int) -> dict[str, Any]:
    lab.mkdir()
    program = Path(__file__).parent / "listing_server.py"
    with subprocess.Popen([sys.executable, program, str(count)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            settings = {
                "aws_endpoint": f"http://127.0.0.1:{server.stdout.readline().strip()}",
                "aws_access_key_id": "bench", "aws_secret_access_key": "bench", "aws_region": "us-east-1",
            }  # fmt: skip
            url = "s3://lab/known"
            return _look(lab, BucketPlace(url, settings, lab / "disk"), url, settings)
        finally:
            server.terminate()


def _look(
    lab: Path, place: Place, watch: str, settings: dict[str, str], waiting: Mapping[str, dict[str, Any]] = _NOTHING
) -> dict[str, Any]:
    """Write receipts of all that is there, then list and look in processes of their own."""
    url = f"sqlite:///{lab}/catalogue.db"
    catalogue = open_catalogue(url)
    for rows in _receipts(place):
        catalogue.repeat(lambda connection, rows=rows: receipts.write(connection, "bench", "bench", 0.0, rows))
    catalogue.close()
    here = str(Path(__file__).parent)
    given = {"benchmarks": here, "lab": str(lab), "catalogue": url, "watch": watch, "settings": settings}
    found: dict[str, Any] = {}
    for name, rule in {"listing": _PLAIN, "look": _PLAIN, **waiting}.items():
        command = [sys.executable, "-c", _LOOK, json.dumps({**given, **rule, "look": name != "listing"})]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
    return found


def _receipts(place: Place) -> Iterator[list[NewReceipt]]:
    waiting: list[NewReceipt] = []
    for page in place.pages((), lambda _: None):
        waiting += [
            NewReceipt(
                each.path, each.size, each.mtime_ns, EMPTY, 0.0, 0.0, "accepted", "any", "files", each.path,
                object_version=each.version, changed_ns=each.changed_ns or None,
            )
            for each in page
        ]  # fmt: skip
        if len(waiting) >= 50_000:
            yield waiting
            waiting = []
    yield waiting


def main() -> None:
    """Print one line of JSON."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(json.dumps(run(scale, sys.argv[2:]) if len(sys.argv) > 2 else run(scale)))


if __name__ == "__main__":
    main()
