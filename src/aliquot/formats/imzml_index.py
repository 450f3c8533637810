"""An imaging pair turned over: by m/z and not by pixel, so that an image of one m/z is read in one place.

Pairs whose spectra share their m/z values become a cube of 32-bit intensities, one row of pixels for each m/z. All
others become a list of peaks in buckets of near m/z, with the number of the spectrum that each is from.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aliquot.formats.imzml_places import Ibd

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_INDEX = 8 * 2**30
"""Bytes beyond which no index is made, and images are read from the pair itself."""

_BLOCK = 8 * 2**20
_BUCKETS = 2**14
_STEP = 5e-6
_LOWEST, _HIGHEST = 1.0, 1e6
_BINS = int(math.log(_HIGHEST) / _STEP) + 2


@dataclass(slots=True)
class Made:
    """What a pass over all spectra gave.

    `mz` and `mean` are the mean spectrum: values that all spectra share, or bins of 5 ppm that hold anything. `total`
    is the total ion current of each spectrum.
    """

    shape: "Shape"
    mz: "NDArray[np.float64]"
    mean: "NDArray[np.float64]"
    total: "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Shape:
    """How an index file is laid out: `cube` of `values` by `spectra`, `peaks`, so many `values`, or `none`."""

    kind: str
    spectra: int
    values: int

    def document(self) -> dict[str, Any]:
        """Give it as JSON."""
        return asdict(self)


def make_index(ibd: Ibd, target: Path) -> Made:
    """Write the index of a pair into a new file, and sum up its spectra on the way; memory stays below 200 MiB.

    The file stays empty where it would be larger than `LARGEST_INDEX`.
    """
    return _make_cube(ibd, target) if ibd.places.shared_axis else _make_peaks(ibd, target)


def _make_cube(ibd: Ibd, target: Path) -> Made:
    import numpy as np

    axis = ibd.mz(0).astype(np.float64)
    order = None if (np.diff(axis) >= 0).all() else np.argsort(axis, kind="stable")
    spectra, values = len(ibd.places), len(axis)
    wanted = spectra * values * 4 <= LARGEST_INDEX
    cube = np.memmap(target, dtype="<f4", mode="w+", shape=(values, spectra)) if wanted else None
    if cube is None:
        target.touch()
    total, mean = np.zeros(spectra), np.zeros(values)
    for part in ibd.blocks(_BLOCK):
        block = np.empty((len(part), values), dtype=np.float32)
        for at, number in enumerate(part):
            block[at] = ibd.intensity(number)
        total[part.start : part.stop] = block.sum(axis=1, dtype=np.float64)
        if not np.isfinite(total[part.start : part.stop]).all():
            np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
            total[part.start : part.stop] = block.sum(axis=1, dtype=np.float64)
        if order is not None:
            block = block[:, order]
        mean += block.sum(axis=0, dtype=np.float64)
        if cube is not None:
            cube[:, part.start : part.stop] = block.T
    if cube is not None:
        cube.flush()
    shape = Shape("cube" if wanted else "none", spectra, values)
    return Made(shape, axis if order is None else axis[order], mean / spectra, total)


def _make_peaks(ibd: Ibd, target: Path) -> Made:
    import numpy as np

    spectra, peaks = len(ibd.places), int(ibd.places.rows["count"].sum())
    shape = Shape("peaks", spectra, peaks)
    wanted = _sections(shape)[-1][2] <= LARGEST_INDEX
    mean, weighted, total = np.zeros(_BINS), np.zeros(_BINS), np.zeros(spectra)
    counts = np.zeros(_BINS, dtype=np.int64)
    for part in ibd.blocks(_BLOCK // 4):
        mz, intensity = _peaks(ibd, part)
        total[part.start : part.stop] = _sums(intensity, ibd.places.rows["count"][part.start : part.stop])
        bins = _bins(mz)
        counts += np.bincount(bins, minlength=_BINS)
        mean += np.bincount(bins, weights=intensity, minlength=_BINS)
        weighted += np.bincount(bins, weights=intensity * mz, minlength=_BINS)
    there = mean.nonzero()[0]
    made = Made(shape, weighted[there] / mean[there], mean[there] / spectra, total)
    if wanted:
        _write_peaks(ibd, target, shape, counts)
    else:
        target.touch()
        made.shape = Shape("none", spectra, peaks)
    return made


def _write_peaks(ibd: Ibd, target: Path, shape: Shape, counts: "NDArray[np.int64]") -> None:
    import numpy as np

    # Bins are joined into buckets of about equal numbers of peaks: so few that 16 bits sort them.
    before = np.cumsum(counts) - counts
    buckets = np.minimum(before * _BUCKETS // max(1, shape.values), _BUCKETS - 1).astype(np.uint16)
    held = np.bincount(buckets, weights=counts, minlength=_BUCKETS).astype(np.int64)
    with target.open("wb") as file:
        file.truncate(_sections(shape)[-1][2])
    index = Peaks(target, shape, mode="r+")
    index.first_bins[:] = np.searchsorted(buckets, np.arange(_BUCKETS))
    index.starts[:] = np.concatenate([[0], np.cumsum(held)])
    free = index.starts[:-1].copy()
    for part in ibd.blocks(_BLOCK // 4):
        mz, intensity = _peaks(ibd, part)
        bucket = buckets[_bins(mz)]
        owner = np.repeat(
            np.arange(part.start, part.stop, dtype=np.uint32), ibd.places.rows["count"][part.start : part.stop]
        )
        order = np.argsort(bucket, kind="stable")
        ordered = bucket[order]
        here = np.bincount(bucket, minlength=_BUCKETS)
        to = (free - (np.cumsum(here) - here))[ordered] + np.arange(len(ordered))
        index.mz[to], index.intensity[to], index.spectrum[to] = mz[order], intensity[order], owner[order]
        free += here
    index.flush()


def _bins(mz: "NDArray[np.float64]") -> "NDArray[np.int32]":
    """Give the bin of 5 ppm that each m/z falls into; what no instrument can measure shares the outermost."""
    import numpy as np

    places = np.clip(mz, _LOWEST, _HIGHEST)
    np.log(places, out=places)
    places /= _STEP
    return places.astype(np.int32)


def _sums(values: "NDArray[np.float64]", counts: "NDArray[np.int64]") -> "NDArray[np.float64]":
    import numpy as np

    return np.add.reduceat(values, np.cumsum(counts) - counts)


def _peaks(ibd: Ibd, part: range) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Give m/z and intensity of the peaks of a range of spectra; what is no number counts nothing."""
    import numpy as np

    mz = np.concatenate([ibd.mz(number) for number in part], dtype=np.float64)
    intensity = np.concatenate([ibd.intensity(number) for number in part], dtype=np.float64)
    for values in (mz, intensity):
        if not np.isfinite(values).all():
            np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return mz, intensity


def _sections(shape: Shape) -> list[tuple[str, int, int]]:
    """Give type, begin and end of each section of a file of peaks, the widest numbers first: so all are aligned."""
    sections: list[tuple[str, int, int]] = []
    at = 0
    for kind, count in (("<i8", _BUCKETS + 1), ("<f8", shape.values), ("<f4", shape.values), ("<u4", shape.values),
                        ("<i4", _BUCKETS)):  # fmt: skip
        end = at + count * int(kind[2])
        sections.append((kind, at, end))
        at = end
    return sections


class Cube:
    """The index of a pair with shared m/z values; `axis` are those values."""

    def __init__(self, path: Path, shape: Shape, axis: "NDArray[np.float64]") -> None:
        import numpy as np

        self._axis = axis
        self._cube = np.memmap(path, dtype="<f4", mode="r", shape=(shape.values, shape.spectra))

    def image(self, low: float, high: float) -> "NDArray[np.float64]":
        """Sum, for each spectrum, the intensities at m/z from `low` to `high`, both included."""
        import numpy as np

        first, last = np.searchsorted(self._axis, low), np.searchsorted(self._axis, high, side="right")
        return self._cube[first:last].sum(axis=0, dtype=np.float64)


class Peaks:
    """The index of a pair whose spectra have m/z values of their own."""

    def __init__(self, path: Path, shape: Shape, mode: str = "r") -> None:
        import numpy as np

        file = np.memmap(path, dtype=np.uint8, mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]
        self._file = file
        self._spectra = shape.spectra
        self.starts, self.mz, self.intensity, self.spectrum, self.first_bins = (
            file[begin:end].view(kind) for kind, begin, end in _sections(shape)
        )

    def flush(self) -> None:
        """Write out what was changed."""
        self._file.flush()

    def image(self, low: float, high: float) -> "NDArray[np.float64]":
        """Sum, for each spectrum, the intensities at m/z from `low` to `high`, both included."""
        import numpy as np

        first, last = np.searchsorted(self.first_bins, _bins(np.array([low, high])), side="right") - 1
        here = slice(int(self.starts[first]), int(self.starts[int(last) + 1]))
        mz = self.mz[here]
        wanted = (mz >= low) & (mz <= high)
        owner, intensity = self.spectrum[here][wanted], self.intensity[here][wanted]
        return np.bincount(owner, weights=intensity, minlength=self._spectra).astype(np.float64)


def direct_image(ibd: Ibd, low: float, high: float) -> "NDArray[np.float64]":
    """Sum as an index would, from the pair itself: for the first look, and for pairs that get no index."""
    import numpy as np

    sums = np.zeros(len(ibd.places))
    window: slice | NDArray[np.bool_] | None = None
    shared = ibd.places.shared_axis
    for number in range(len(ibd.places)):
        if window is None or not shared:
            mz = ibd.mz(number)
            window = _window(mz, low, high)
        part = ibd.intensity(number)[window]
        sums[number] = part.sum(dtype=np.float64) if part.size else 0.0
    return np.nan_to_num(sums, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def _window(mz: "NDArray[np.floating]", low: float, high: float) -> "slice | NDArray[np.bool_]":
    import numpy as np

    first, last = np.searchsorted(mz, low), np.searchsorted(mz, high, side="right")
    # A slice of sorted values reads what it needs; whether they are sorted shows at its ends.
    if first <= last and (first == 0 or mz[first - 1] < low) and (last == len(mz) or mz[last] > high):
        return slice(int(first), int(last))
    return (mz >= low) & (mz <= high)
