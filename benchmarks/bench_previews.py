"""Previews: an ion image at the first look and after, pages of a table of 5,000,000 rows.

    python benchmarks/bench_previews.py [scale]     # scale 1: 10,000 pixels of 10,000 m/z (400 MB), 317 MB of CSV

Everything goes through a store in a folder and a catalogue, as for a page: what is measured is the server's time,
without HTTP and without the template. The first times include reading the .imzML, and all that is made to be kept.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import numpy as np
from peak_memory import peak_mib

from aliquot.blobs import open_store
from aliquot.datasets import places
from aliquot.db import Catalogue, open_catalogue
from aliquot.formats.table_page import Filter, Wanted
from aliquot.lab.previews import Previews, Shown
from aliquot.model.blob import Blob
from imzml_pair import write_pair

_PATIENCE = 600.0


def main() -> None:
    """Print the figures."""
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=2))


def run(scale: float) -> dict[str, Any]:
    """Measure both; gives seconds, milliseconds and MiB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalogue, store = open_catalogue(f"sqlite:///{folder}/catalogue.db"), open_store(str(folder / "store"))
        previews = Previews(catalogue, store, folder / "local")

        def put(path: Path) -> Blob:
            location = store.put_file(path)
            _record(catalogue, location)
            path.unlink()
            return Blob(location.digest, location.size)

        figures = {"image": _image(folder, previews, put, scale), "table": _table(folder, previews, put, scale)}
        previews.close()
        catalogue.close()
        figures["peak_mib"] = {
            "server": peak_mib(),
            "maker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        }
        return figures


def _record(catalogue: Catalogue, location: Any) -> None:
    with catalogue.write() as connection:
        places.record(connection, [location])


def _image(folder: Path, previews: Previews, put: Callable[[Path], Blob], scale: float) -> dict[str, Any]:
    side = max(10, round(100 * scale**0.5))
    mz = np.linspace(100, 1000, 10_000)
    random = np.random.default_rng(1)
    spectra: Iterator[Any] = ((mz, random.random(len(mz), dtype=np.float32)) for _ in range(side * side))
    positions = [(at % side + 1, at // side + 1) for at in range(side * side)]
    xml, ibd = write_pair(folder, "continuous", spectra, positions)
    began = time.perf_counter()
    with ibd.open("rb") as file:
        while file.read(2**20):
            pass
    reading = time.perf_counter() - began
    shown = Shown("/a.imzML", put(xml), put(ibd))

    def draw(at: float) -> None:
        previews.image(shown, lambda pair: pair.ion_image(at, 0.1, "da").png)

    processor = time.process_time()
    first = _seconds(lambda: draw(400.0))
    processor = time.process_time() - processor
    before = _seconds(lambda: draw(500.0))
    whole = _seconds(lambda: previews.look(shown, wait=_PATIENCE))
    after = [_seconds(lambda at=at: draw(at)) for at in np.linspace(150, 950, 100).tolist()]
    mean = [
        _seconds(lambda: previews.image(shown, lambda pair: pair.mean_spectrum(None, None, 1000), whole=True))
        for _ in range(50)
    ]
    return {
        "pixels": side * side,
        "read_ibd_s": round(reading, 3),
        "first_image_s": round(first, 3),
        "first_image_processor_s": round(processor, 3),
        "image_before_index_ms": round(before * 1000, 1),
        "index_s": round(whole, 2),
        "image_ms": _spread(after),
        "mean_spectrum_ms": _spread(mean),
    }


def _table(folder: Path, previews: Previews, put: Callable[[Path], Blob], scale: float) -> dict[str, Any]:
    import polars as pl

    rows = max(1000, round(5_000_000 * scale))
    random = np.random.default_rng(1)
    frame = pl.DataFrame({
        "id": np.arange(rows), "plate": random.integers(0, 9999, rows), "well": random.integers(0, 96, rows),
        "a": random.normal(size=rows).round(4), "b": random.normal(size=rows).round(4),
        "c": random.normal(size=rows).round(2), "d": random.integers(0, 10**6, rows),
    })  # fmt: skip
    frame = frame.with_columns(
        sample=pl.format("S-{}", pl.col("plate")), compound=pl.format("compound {} x", pl.col("well"))
    )
    frame.write_csv(folder / "table.csv")
    size = (folder / "table.csv").stat().st_size
    shown = Shown("/table.csv", put(folder / "table.csv"))
    made = _seconds(lambda: previews.look(shown, wait=_PATIENCE))

    def page(wanted: Wanted, offset: int = 0) -> float:
        return _seconds(lambda: previews.table(shown, lambda table: table.page(wanted, offset, 50)))

    by_number, by_text = Wanted(sort=3, descending=True), Wanted(sort=7)
    above = Wanted(filters=(Filter(3, "above", "3"),))
    holds = Wanted(filters=(Filter(7, "contains", "s-77"),))
    offsets = np.linspace(0, rows - 60, 60).astype(int).tolist()
    return {
        "rows": rows,
        "csv_mb": round(size / 1e6),
        "made_s": round(made, 1),
        "page_ms": _spread([page(Wanted(), at) for at in offsets]),
        "first_sort_ms": {"number": round(page(by_number) * 1000), "text": round(page(by_text) * 1000)},
        "sorted_page_ms": _spread([page(by_number, at) for at in offsets]),
        "first_filter_ms": {"number": round(page(above) * 1000), "text": round(page(holds) * 1000)},
        "filtered_page_ms": _spread([page(above, at) for at in range(0, 300, 50)]),
    }


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median": round(statistics.median(ordered) * 1000, 2),
        "p95": round(ordered[int(len(ordered) * 0.95)] * 1000, 2),
    }


if __name__ == "__main__":
    main()
