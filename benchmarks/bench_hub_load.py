"""Loads into the hub, beside raw bulk ingest of the same rows in the same run.

    python benchmarks/bench_hub_load.py [scale]     # scale 1: 1,000,000 rows

Raw ingest has no types of a schema, no origin of rows, no ledger and no key; the ratio is what those cost. It is timed
into a fresh database each time. PostgreSQL is the private, non-durable cluster of the tests, where one is installed.
"""

import datetime as dt
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from aliquot.hub.hub import Hub, open_hub  # noqa: E402
from aliquot.hub.load import Load, LoadFile, Mode, load  # noqa: E402
from aliquot.hub.query import query  # noqa: E402
from aliquot.model.table_schema import TableSchema  # noqa: E402
from postgresql import programs, running_cluster  # noqa: E402 - found through the line above

ROWS = 1_000_000
SCHEMA = TableSchema.model_validate(
    {
        "fields": [
            {"name": "id", "type": "integer"},
            {"name": "patient", "type": "string"},
            {"name": "day", "type": "date"},
            {"name": "amount", "type": "number"},
            {"name": "settled", "type": "boolean"},
            {"name": "note", "type": "string"},
        ]
    }
)


def run(scale: float = 1.0) -> dict[str, object]:
    """Give seconds and rows per second for each database, and ratios to raw ingest."""
    frame = _rows(int(ROWS * scale))
    with tempfile.TemporaryDirectory(prefix="aliquot-bench-") as folder:
        place = Path(folder)
        result: dict[str, object] = {"rows": frame.height, "sqlite": _measure(frame, _sqlite_hubs(place))}
    if programs():
        with running_cluster() as cluster:
            result["postgresql"] = _measure(frame, lambda: open_hub(cluster.url(cluster.create()), Path.cwd()))
    return result


def _rows(count: int) -> pl.DataFrame:
    number = pl.int_range(count, dtype=pl.Int64)
    return pl.select(
        id=number,
        patient=pl.format("P{}", number % 50_000),
        day=pl.lit(dt.date(2024, 1, 1)) + pl.duration(days=number % 700),
        amount=(number * 37 % 100_000) / 100,
        settled=number % 3 == 0,
        note=pl.format("line {} of the ward's ledger", number),
    )


def _sqlite_hubs(place: Path) -> Callable[[], Hub]:
    numbers = iter(range(1000))
    return lambda: open_hub(f"sqlite:///{next(numbers)}.db", place)


def _measure(frame: pl.DataFrame, fresh: Callable[[], Hub]) -> dict[str, float]:
    files = (LoadFile("/rows.csv", "blake3:rows", lambda: frame),)
    raw = _seconds(lambda: _ingest(fresh(), frame))
    found: dict[str, float] = {"raw_ingest_s": raw}
    modes: tuple[Mode, ...] = ("append", "replace", "upsert")
    hubs: list[tuple[Mode, Hub]] = [(mode, fresh()) for mode in modes]
    for mode, hub in hubs:
        document = Load("bench", mode, SCHEMA, files, 1, ("id",) if mode == "upsert" else (), "bench", 1)
        spent = _seconds(lambda hub=hub, document=document: load(hub, document))
        found |= {f"{mode}_s": spent, f"{mode}_to_raw": round(spent / raw, 2)}
        found[f"{mode}_again_s"] = _seconds(lambda hub=hub, document=document: load(hub, document))
        assert query(hub, "SELECT count(*) AS n FROM bench").rows == [(frame.height,)]
    changed = (LoadFile("/rows.csv", "blake3:changed", lambda: frame),)
    document = Load("bench", "upsert", SCHEMA, changed, 2, ("id",), "bench", 2)
    found["upsert_all_replaced_s"] = _seconds(lambda: load(hubs[-1][1], document))
    return found


def _ingest(hub: Hub, frame: pl.DataFrame) -> None:
    driver = importlib.import_module(f"adbc_driver_{hub.dialect}.dbapi")
    with driver.connect(hub.location) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("bench", frame, mode="create")
        connection.commit()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 3)


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2))
