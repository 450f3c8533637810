"""The spectra of an image, checked one by one against the .ibd file and against each other."""

import math
import os
import struct

from aliquot.formats.collected import KEPT_PER_CODE, Collected
from aliquot.formats.imzml_xml import Array, Header, Spectrum

_UUID_LENGTH = 16
_WORDS = {"mz": "m/z", "intensity": "intensity"}


class Spectra:
    """What is known of the spectra so far; memory grows by one number for each pixel.

    `size` is that of the .ibd, `end` the byte after the last array, `beyond` how many arrays end behind the file.
    """

    def __init__(self, header: Header, ibd: int, found: Collected, file: str) -> None:
        self._header = header
        self._ibd = ibd
        self._found = found
        self._file = file
        self.size = os.fstat(ibd).st_size
        self.end = 0
        self.beyond = 0
        self._beyond: list[Spectrum] = []
        self._pixels: set[int] = set()
        self._columns = self._rows = 0
        self._off_count = False
        self._shared: tuple[int | None, int | None] | None = None
        self._read_at: int | None = None
        self._mz_min, self._mz_max = math.inf, -math.inf

    def take(self, spectrum: Spectrum) -> None:
        """Check one spectrum."""
        self._check_position(spectrum)
        arrays = {array.kind: array for array in spectrum.arrays if array.kind}
        if len(arrays) != sum(array.kind is not None for array in spectrum.arrays) or len(arrays) < len(_WORDS):
            self._error("arrays-missing", spectrum, "does not have one m/z array and one intensity array")
            return
        whole = True
        for array in spectrum.arrays:
            whole &= self._check_array(spectrum, array, _WORDS.get(array.kind or "", "third"))
        mz, intensity = arrays["mz"], arrays["intensity"]
        if mz.length != intensity.length:
            text = f"has {mz.length} m/z values but {intensity.length} intensities"
            self._error("arrays-differ", spectrum, text)
        if "continuous" in self._header.modes:
            place = (mz.offset, mz.length)
            if self._shared is None:
                self._shared = place
            elif place != self._shared and "processed" not in self._header.modes:
                self._error("mz-not-shared", spectrum, "has m/z values of its own, but the file says 'continuous'")
        if whole:
            self._see_range(mz)

    def finish(self) -> None:
        """Check what can only be said at the end."""
        columns, rows = self._header.grid.get("columns"), self._header.grid.get("rows")
        if columns is None or rows is None:
            self._found.warning(
                "grid-missing", "The .imzML does not say how many pixels the image has.", file=self._file
            )
        elif self._off_count:
            text = (
                f"The .imzML says that the image has {columns:.0f} by {rows:.0f} pixels, but its pixels go to x "
                f"{self._columns}, y {self._rows}, as the size of the area allows. A program that cut out a part of "
                "the image probably left a wrong count; the image is taken as large as its pixels need."
            )
            self._found.warning("grid-count", text, file=self._file)

    def point_out_beyond(self) -> None:
        """Note the arrays that end behind the .ibd file, when the file is known to be complete."""
        for spectrum in self._beyond:
            self._error("array-outside", spectrum, "points behind the end of the .ibd file. Export the image again")

    def facts(self) -> dict[str, object]:
        """Give the size of the image in pixels, and its m/z range where it is known."""
        grid = self._header.grid
        facts: dict[str, object] = {
            "spectra": self._header.spectra,
            "pixels": len(self._pixels),
            "width": max(self._columns, int(grid.get("columns", 0))),
            "height": max(self._rows, int(grid.get("rows", 0))),
        }
        if self._mz_min <= self._mz_max:
            facts |= {"mz_min": self._mz_min, "mz_max": self._mz_max}
        return facts

    def _error(self, code: str, spectrum: Spectrum, text: str) -> None:
        where = f" (pixel x {spectrum.x}, y {spectrum.y})" if spectrum.x and spectrum.y else ""
        self._found.error(code, f"Spectrum {spectrum.number}{where} {text}.", file=self._file)

    def _check_position(self, spectrum: Spectrum) -> None:
        x, y, z = spectrum.x, spectrum.y, spectrum.z or 0
        if x is None or y is None:
            self._error("position-missing", spectrum, "has no position x and y, or one that is not a whole number")
            return
        if not (
            self._within(x, "columns", "width", "pixel_width") and self._within(y, "rows", "height", "pixel_height")
        ):
            columns, rows = self._header.grid.get("columns", 0), self._header.grid.get("rows", 0)
            text = f"lies at x {x}, y {y}, outside the image of {columns:.0f} by {rows:.0f} pixels (counted from 1)"
            self._error("position-outside", Spectrum(spectrum.number), text)
            return
        pixel = z << 64 | y << 32 | x
        if pixel in self._pixels:
            self._error("position-twice", spectrum, "lies on a pixel that another spectrum has already")
        self._pixels.add(pixel)
        self._columns, self._rows = max(self._columns, x), max(self._rows, y)

    def _within(self, position: int, count: str, size: str, pixel: str) -> bool:
        if position < 1 or position >= 2**31:
            return False
        counted = self._header.grid.get(count)
        if counted is None or position <= counted:
            return True
        # Programs that cut out a region count the columns that are left, and leave the area as it was.
        measured = self._header.extent(size, pixel)
        if measured is None or position > measured:
            return False
        self._off_count = True
        return True

    def _check_array(self, spectrum: Spectrum, array: Array, what: str) -> bool:
        """Say whether an array lies whole in the .ibd file, noting what keeps it from that."""
        offset, length = array.offset, array.length
        if array.type is None:
            self._error("data-type-missing", spectrum, f"does not say what kind of numbers its {what} array has")
            return False
        width = struct.calcsize("<" + array.type)
        encoded = array.encoded
        if encoded is None and length is not None and not array.compressed:
            encoded = length * width
        if offset is None or length is None or encoded is None or min(offset, length, encoded) < 0:
            self._error("array-place-missing", spectrum, f"does not say where its {what} array lies in the .ibd file")
            return False
        if not array.compressed and encoded != length * width:
            text = f"has an {what} array of {length} values of {width} bytes, but gives it {encoded} bytes"
            self._error("array-length", spectrum, text)
        if encoded and offset < _UUID_LENGTH:
            self._error("array-outside", spectrum, f"has its {what} array where the .ibd file has its identifier")
            return False
        end = offset + encoded
        self.end = max(self.end, end)
        if end <= self.size:
            return True
        self.beyond += 1
        if len(self._beyond) < KEPT_PER_CODE:
            self._beyond.append(spectrum)
        return False

    def _see_range(self, array: Array) -> None:
        """Widen the m/z range by an array's first and last value; m/z arrays are sorted, and zlib's are passed over."""
        if array.compressed or not array.length or array.offset is None or array.type is None:
            return
        if array.offset == self._read_at:
            return
        self._read_at = array.offset
        code = "<" + array.type
        width = struct.calcsize(code)
        for at in (array.offset, array.offset + (array.length - 1) * width):
            raw = os.pread(self._ibd, width, at)
            if len(raw) == width:
                value: float = struct.unpack(code, raw)[0]
                self._mz_min, self._mz_max = min(self._mz_min, value), max(self._mz_max, value)
