"""Where the spectra of an imaging pair lie: read once from the XML, kept as one row of numbers for each spectrum."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aliquot.formats.imzml_xml import Array, Header, Spectrum, read_imzml
from aliquot.formats.numeric import require_numpy
from aliquot.model.errors import Invalid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CODES = "fdiqbh"
_WIDTHS = {code: struct.calcsize("<" + code) for code in _CODES}
_LONGEST = 2**27
_FARTHEST = 2**20
"""Pixels along an axis: what lies beyond is a slip of the exporting program, and no image to look at."""

_COLUMNS = (
    ("x", "<i4"), ("y", "<i4"), ("count", "<i8"), ("mz_at", "<i8"), ("mz_bytes", "<i8"), ("at", "<i8"),
    ("bytes", "<i8"), ("mz_type", "u1"), ("type", "u1"), ("mz_zlib", "?"), ("zlib", "?"),
)  # fmt: skip


class Places:
    """The spectra of a pair that can be read, in the order of the file.

    `rows` is a numpy table with a row for each: pixel `x`, `y` from 1, number of values, place and kind of both arrays.
    `left_out` counts the others: no position, arrays missing or behind the end of the .ibd file.
    """

    def __init__(self, rows: "NDArray[np.void]", left_out: int = 0, mode: str | None = None) -> None:
        self.rows = rows
        self.left_out = left_out
        self.mode = mode

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """Give the pixels from left to right."""
        return int(self.rows["x"].max())

    @property
    def height(self) -> int:
        """Give the pixels from top to bottom."""
        return int(self.rows["y"].max())

    @property
    def shared_axis(self) -> bool:
        """Say whether all spectra have one and the same m/z array."""
        first = self.rows[0]
        return all((self.rows[name] == first[name]).all() for name in ("mz_at", "count", "mz_type", "mz_zlib"))

    def grid(self, values: "NDArray[np.floating]") -> "NDArray[np.float32]":
        """Lay one value for each spectrum out as an image of `height` rows; pixels without a spectrum are NaN."""
        import numpy as np

        image = np.full((self.height, self.width), np.nan, dtype=np.float32)
        image[self.rows["y"] - 1, self.rows["x"] - 1] = values
        return image

    def at_pixel(self, x: int, y: int) -> int | None:
        """Give the number of the spectrum at a pixel, counted from 0, or None."""
        found = ((self.rows["x"] == x) & (self.rows["y"] == y)).nonzero()[0]
        return int(found[-1]) if len(found) else None


def read_places(xml: Path, ibd_size: int) -> Places:
    """Read the places of all spectra from an .imzML file; `Invalid` for one that is damaged or has none."""
    require_numpy()
    import numpy as np

    header = Header()
    rows: list[tuple[int | bool, ...]] = []

    def take(spectrum: Spectrum) -> None:
        row = _row(spectrum, ibd_size)
        if row is not None:
            rows.append(row)

    read_imzml(xml, header, take)
    if not rows:
        what = "no spectra" if not header.spectra else "no spectrum that lies whole in the .ibd file"
        raise Invalid("spectra-missing", f"The image has {what}: there is nothing to show.")
    return Places(np.array(rows, dtype=list(_COLUMNS)), header.spectra - len(rows), next(iter(header.modes), None))


def _row(spectrum: Spectrum, ibd_size: int) -> tuple[int | bool, ...] | None:
    x, y = spectrum.x, spectrum.y
    arrays = {array.kind: array for array in spectrum.arrays if array.kind}
    mz, intensity = arrays.get("mz"), arrays.get("intensity")
    if x is None or y is None or mz is None or intensity is None or mz.length != intensity.length:
        return None
    if not (1 <= x <= _FARTHEST and 1 <= y <= _FARTHEST and mz.length and mz.length <= _LONGEST):
        return None
    first, second = _place(mz, ibd_size), _place(intensity, ibd_size)
    if first is None or second is None:
        return None
    return (x, y, mz.length, *first[:2], *second[:2], first[2], second[2], mz.compressed, intensity.compressed)


def _place(array: Array, ibd_size: int) -> tuple[int, int, int] | None:
    if array.type is None or array.offset is None or array.length is None:
        return None
    size = array.encoded
    plain = array.length * _WIDTHS[array.type]
    if not array.compressed:
        size = plain
    if size is None or array.offset < 0 or array.offset + size > ibd_size:
        return None
    return array.offset, size, _CODES.index(array.type)


class Ibd:
    """The .ibd file of a pair, mapped into memory, and what lies in it."""

    def __init__(self, path: Path, places: Places) -> None:
        import numpy as np

        self.places = places
        self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
        # Ten times as quick to ask, one by one, as a row of the numpy table.
        rows = places.rows
        self._mz: list[tuple[int, ...]] = rows[["mz_at", "mz_bytes", "mz_type", "count", "mz_zlib"]].tolist()
        self._intensity: list[tuple[int, ...]] = rows[["at", "bytes", "type", "count", "zlib"]].tolist()
        self._kinds = [np.dtype("<" + code) for code in _CODES]

    def mz(self, number: int) -> "NDArray[np.floating]":
        """Give the m/z values of a spectrum."""
        return self._array(*self._mz[number])

    def intensity(self, number: int) -> "NDArray[np.floating]":
        """Give the intensities of a spectrum."""
        return self._array(*self._intensity[number])

    def blocks(self, values: int) -> Iterator[range]:
        """Cut the spectra into ranges that hold about so many values each."""
        import numpy as np

        ends = np.cumsum(self.places.rows["count"])
        begin = 0
        while begin < len(ends):
            done = ends[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, done + values, side="right")))
            yield range(begin, end)
            begin = end

    def _array(self, at: int, size: int, code: int, count: int, packed: int) -> "NDArray[np.floating]":
        import numpy as np

        kind = self._kinds[code]
        if not packed:
            return np.frombuffer(self._bytes, kind, count, at)
        raw = self._bytes[at : at + size]
        try:
            # Never more than was said: a few bytes of zlib can unpack to more than there is memory.
            plain = zlib.decompressobj().decompress(raw.tobytes(), count * kind.itemsize)
            found = np.frombuffer(plain, dtype=kind)
        except (zlib.error, ValueError) as error:
            raise Invalid("array-damaged", f"An array of the .ibd file cannot be unpacked: {error}.") from None
        if len(found) != count:
            raise Invalid("array-damaged", "An array of the .ibd file unpacks to fewer values than the .imzML says.")
        return found
