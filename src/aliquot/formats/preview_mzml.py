"""What a person looks at in a mass spectrometry run (mzML): its chromatograms, and the spectrum of one scan."""

import base64
import binascii
import functools
import mmap
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.parsers import expat

from aliquot.formats.mzml_scans import Arrays, Scan, read_scans
from aliquot.formats.numeric import require_numpy
from aliquot.formats.spectrum_window import highest_peaks, window
from aliquot.model.errors import Invalid, Missing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BEGIN = re.compile(rb"<(?:\w+:)?spectrum[\s>]")
_END = re.compile(rb"</(?:\w+:)?spectrum\s*>")
_LARGEST_SCAN = 256 * 2**20
_PEAKS = 10
_APART = 1e-3
_COLUMNS = (("at", "<i8"), ("time", "<f8"), ("level", "<i4"), ("tic", "<f8"), ("base", "<f8"))

Chromatogram = Literal["tic", "base"]


def keep_run(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Read the scans of an mzML file; writes `scans`: place, time in seconds, level, total and base peak of each."""
    require_numpy()
    import numpy as np

    path = files[0]
    run = read_scans(path)
    if not run.scans:
        raise Invalid("spectra-missing", "The run has no spectra: there is nothing to show.")
    places = _places(path)
    if len(places) != len(run.scans):
        # Written in an encoding that is not a byte a character: chromatograms can be shown, scans not.
        places = [-1] * len(run.scans)
    rows = np.array([_row(scan, at) for scan, at in zip(run.scans, places, strict=True)], dtype=list(_COLUMNS))
    groups = {name: list(map(list, terms)) for name, terms in run.groups.items()}
    summary: dict[str, Any] = {"kind": "mzml", "scans": len(rows), "groups": groups}
    summed = bool(np.isnan(rows["tic"]).any()) and places[0] >= 0
    if summed:
        _sum_up(path, rows, groups)
    levels, counts = np.unique(rows["level"], return_counts=True)
    with (folder / "scans").open("wb") as file:
        np.save(file, rows)
    times = rows["time"][np.isfinite(rows["time"])]
    return summary | {
        "levels": [[int(level), int(count)] for level, count in zip(levels, counts, strict=True)],
        "time": [float(times.min()), float(times.max())] if len(times) else None,
        "summed": summed,
        "left_out": int(np.isnan(rows["tic"]).sum()),
        "readable": places[0] >= 0,
    }


def _places(path: Path) -> list[int]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return [found.start() for found in _BEGIN.finditer(text)]


def _row(scan: Scan, at: int) -> tuple[float, ...]:
    nan = float("nan")
    values = (scan.time, scan.total, scan.base)
    time, total, base = (nan if value is None else value for value in values)
    return at, time, scan.level or 0, total, base


def _sum_up(path: Path, rows: "NDArray[np.void]", groups: dict[str, Any]) -> None:
    """Sum the arrays of scans whose total the file does not say."""
    import numpy as np

    with path.open("rb") as file:
        for row in rows[np.isnan(rows["tic"])]:
            try:
                _, intensity = _arrays(_fragment(file.fileno(), int(row["at"])), groups)
            except Invalid:
                continue
            at = np.searchsorted(rows["at"], row["at"])
            rows["tic"][at] = intensity.sum()
            rows["base"][at] = intensity.max() if len(intensity) else 0.0


class MassSpectrometryRun:
    """An mzML file that is open to be looked at: `kept` gives the local file `scans`."""

    def __init__(self, summary: dict[str, Any], kept: dict[str, Path], path: Path) -> None:
        require_numpy()
        self.summary = summary
        self._kept = kept
        self._path = path

    def chromatogram(
        self, of: Chromatogram, low: float | None, high: float | None, points: int, level: int = 1
    ) -> dict[str, Any]:
        """Give the total or base peak chromatogram of one MS level, between two times in seconds."""
        import numpy as np

        rows = self._scans[self._scans["level"] == level]
        rows = rows[np.isfinite(rows["time"])]
        rows = rows[np.argsort(rows["time"], kind="stable")]
        return window(rows["time"], rows[of], low, high, points) | {"level": level}

    def nearest(self, time: float, level: int = 1) -> int:
        """Give the number, from 0, of the scan of a level that is nearest to a time in seconds."""
        import numpy as np

        there = np.flatnonzero((self._scans["level"] == level) & np.isfinite(self._scans["time"]))
        if not len(there):
            raise Missing("scan-missing", f"The run has no scan of MS level {level}.", level=level)
        return int(there[np.abs(self._scans["time"][there] - time).argmin()])

    def highest(self, level: int = 1) -> int:
        """Give the number, from 0, of the scan of a level with the highest total ion current."""
        import numpy as np

        there = np.flatnonzero(self._scans["level"] == level)
        if not len(there):
            raise Missing("scan-missing", f"The run has no scan of MS level {level}.", level=level)
        return int(there[np.nan_to_num(self._scans["tic"][there]).argmax()])

    def scan(self, number: int, low: float | None, high: float | None, points: int) -> dict[str, Any]:
        """Give the spectrum of one scan, counted from 0, with its time, level and highest peaks."""
        import numpy as np

        if not 0 <= number < len(self._scans):
            text = f"The run has no scan {number}; it has {len(self._scans)}, counted from 0."
            raise Missing("scan-missing", text, scan=number)
        row = self._scans[number]
        if row["at"] < 0:
            raise Invalid("scan-unreadable", "The file is not written in UTF-8, so its single scans cannot be shown.")
        with self._path.open("rb") as file:
            mz, intensity = _arrays(_fragment(file.fileno(), int(row["at"])), self.summary["groups"])
        order = np.argsort(mz, kind="stable")
        mz, intensity = mz[order], intensity[order]
        time = float(row["time"])
        return window(mz, intensity, low, high, points) | {
            "scan": number,
            "level": int(row["level"]),
            "time": time if np.isfinite(time) else None,
            "peaks": highest_peaks(mz, intensity, _PEAKS, _APART),
        }

    @functools.cached_property
    def _scans(self) -> "NDArray[np.void]":
        import numpy as np

        return np.load(self._kept["scans"], allow_pickle=False)


def _fragment(file: int, at: int) -> bytes:
    """Give the text of one spectrum element."""
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as text:
        end = _END.search(text, at, min(len(text), at + _LARGEST_SCAN))
        if end is None:
            raise Invalid("scan-unreadable", "The scan has no end, or more than 256 MiB.")
        return text[at : end.end()]


def _arrays(fragment: bytes, groups: dict[str, Any]) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    import numpy as np

    arrays = Arrays(groups)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = arrays.start
    parser.EndElementHandler = arrays.end
    parser.CharacterDataHandler = arrays.text
    try:
        parser.Parse(fragment, True)
    except expat.ExpatError as error:
        raise Invalid("scan-unreadable", f"The scan cannot be read: {expat.ErrorString(error.code)}.") from None
    mz, intensity = (_decoded(*arrays.found.get(kind, ("", "", "d", ""))[1:]) for kind in ("mz", "intensity"))
    if len(mz) != len(intensity):
        raise Invalid("scan-unreadable", f"The scan has {len(mz)} m/z values but {len(intensity)} intensities.")
    fine = np.isfinite(mz) & np.isfinite(intensity)
    return mz[fine], intensity[fine]


def _decoded(packing: str, kind: str, text: str) -> "NDArray[np.float64]":
    import numpy as np

    try:
        data = base64.b64decode(text)
        if packing == "zlib":
            data = zlib.decompressobj().decompress(data, _LARGEST_SCAN)
        elif packing:
            sentence = f"The arrays are compressed by a method that cannot be shown here ({packing})."
            raise Invalid("scan-unreadable", sentence)
        return np.frombuffer(data, dtype="<" + kind).astype(np.float64)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise Invalid("scan-unreadable", f"An array of the scan is damaged: {error}.") from None
