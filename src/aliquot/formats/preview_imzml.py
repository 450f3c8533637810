"""What a person looks at in an imaging pair: its mean spectrum, ion images, the spectrum of a pixel, missing pixels."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aliquot.formats.imzml_index import Cube, Peaks, Shape, direct_image, make_index
from aliquot.formats.imzml_places import Ibd, Places, read_places
from aliquot.formats.numeric import require_numpy
from aliquot.formats.png import heat_png
from aliquot.formats.spectrum_window import highest_peaks, window
from aliquot.model.errors import Invalid, Missing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGEST_IMAGE = 64 * 2**20
_PEAKS = 12
_APART = 5e-4
_BRIGHTEST = 0.995

Unit = Literal["ppm", "da"]


def keep_places(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Read where the spectra of a pair (.imzML, .ibd) lie; writes `places`. Takes half a second for 10,000 pixels."""
    import numpy as np

    xml, ibd = files
    places = read_places(xml, ibd.stat().st_size)
    if places.width * places.height > _LARGEST_IMAGE:
        text = f"The image would have {places.width} by {places.height} pixels; its positions are damaged."
        raise Invalid("image-too-large", text)
    with (folder / "places").open("wb") as file:
        np.save(file, places.rows)
    missing = int(np.isnan(places.grid(np.zeros(len(places)))).sum())
    return {
        "kind": "imzml",
        "mode": places.mode,
        "spectra": len(places),
        "left_out": places.left_out,
        "width": places.width,
        "height": places.height,
        "missing": missing,
    }


def keep_image(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Sum up a pair and turn it over by m/z; writes `places`, `spectrum`, `total` and `index`."""
    import numpy as np

    summary = keep_places(files, folder)
    ibd = Ibd(files[1], _load_places(folder / "places", summary))
    made = make_index(ibd, folder / "index")
    for name, values in (("spectrum", np.stack([made.mz, made.mean])), ("total", made.total)):
        with (folder / name).open("wb") as file:
            np.save(file, values)
    low, middle, high = (float(each) for each in np.quantile(made.total, [0, 0.5, 1]))
    return summary | {
        "shape": made.shape.document(),
        "points": len(made.mz),
        "mz": [float(made.mz[0]), float(made.mz[-1])] if len(made.mz) else None,
        "total": {"min": low, "median": middle, "max": high, "sum": float(made.total.sum())},
        "peaks": highest_peaks(made.mz, made.mean, _PEAKS, _APART),
    }


class ImagingPair:
    """An imaging pair that is open to be looked at, with what is kept of it, as far as there is any.

    `kept` gives the local files by part; `ibd` the .ibd file. Without an index, images are read from the pair itself.
    """

    def __init__(self, summary: dict[str, Any], kept: dict[str, Path], ibd: Path) -> None:
        require_numpy()
        self.summary = summary
        self._kept = kept
        self._ibd_path = ibd
        self.places = _load_places(kept["places"], summary)

    def ion_image(self, mz: float, tolerance: float, unit: Unit) -> "IonImage":
        """Sum the intensities around an m/z in each pixel; `tolerance` in ppm or Da, to both sides."""
        if not (0 < mz < 1e6 and 0 <= tolerance < 1e6):
            text = "An ion image needs an m/z and a tolerance above 0; give both as numbers."
            raise Invalid("ion-image-window", text, mz=mz, tolerance=tolerance)
        width = mz * tolerance * 1e-6 if unit == "ppm" else tolerance
        low, high = mz - width, mz + width
        values = self._index.image(low, high) if self._index else direct_image(self._ibd, low, high)
        return IonImage(low, high, self.places.grid(values))

    def total_image(self) -> "IonImage":
        """Give the total ion current of each pixel."""
        import numpy as np

        return IonImage(0.0, float("inf"), self.places.grid(np.load(self._kept["total"], allow_pickle=False)))

    def mean_spectrum(self, low: float | None, high: float | None, points: int) -> dict[str, Any]:
        """Give a part of the mean spectrum in at most about so many points."""
        mz, mean = self._mean
        return window(mz, mean, low, high, points)

    def spectrum_at(self, x: int, y: int, low: float | None, high: float | None, points: int) -> dict[str, Any]:
        """Give the spectrum of a pixel, counted from 1; `Missing` where none was measured."""
        import numpy as np

        number = self.places.at_pixel(x, y)
        if number is None:
            raise Missing("pixel-missing", f"No spectrum was measured at pixel x {x}, y {y}.", x=x, y=y)
        mz, intensity = self._ibd.mz(number), self._ibd.intensity(number)
        if not (np.diff(mz) >= 0).all():
            order = np.argsort(mz, kind="stable")
            mz, intensity = mz[order], intensity[order]
        return window(mz, intensity, low, high, points) | {"pixel": [x, y]}

    @functools.cached_property
    def _ibd(self) -> Ibd:
        return Ibd(self._ibd_path, self.places)

    @functools.cached_property
    def _mean(self) -> "NDArray[np.float64]":
        import numpy as np

        return np.load(self._kept["spectrum"], allow_pickle=False)

    @functools.cached_property
    def _index(self) -> Cube | Peaks | None:
        shape = Shape(**self.summary["shape"]) if "shape" in self.summary else None
        if shape is None or shape.kind == "none":
            return None
        if shape.kind == "cube":
            return Cube(self._kept["index"], shape, self._mean[0])
        return Peaks(self._kept["index"], shape)


class IonImage:
    """One image: `low` and `high` m/z, and `values`, rows of pixels with NaN where nothing was measured."""

    def __init__(self, low: float, high: float, values: "NDArray[np.float32]") -> None:
        import numpy as np

        self.low, self.high = low, high
        self.values = values
        there = values[~np.isnan(values)]
        self.max = float(there.max()) if len(there) else 0.0
        # A few hot pixels would leave all others dark.
        bright = float(np.quantile(there, _BRIGHTEST)) if len(there) else 0.0
        self.brightest = bright or self.max

    @property
    def png(self) -> bytes:
        """Give the image as PNG, one pixel of it for each of the image."""
        return heat_png(self.values, self.brightest)

    def document(self) -> dict[str, Any]:
        """Give what a legend says: the window, the brightest shade, the largest value, pixels with signal."""
        import numpy as np

        return {
            "low": self.low,
            "high": self.high,
            "brightest": self.brightest,
            "max": self.max,
            "pixels": int(np.count_nonzero(np.nan_to_num(self.values))),
        }


def _load_places(path: Path, summary: dict[str, Any]) -> Places:
    import numpy as np

    return Places(np.load(path, allow_pickle=False), summary["left_out"], summary["mode"])
