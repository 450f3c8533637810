"""PNG pictures of values: one byte a pixel, through a palette that people with any colour vision can read."""

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ANCHORS = (
    0x440154, 0x482878, 0x3E4989, 0x31688E, 0x26828E, 0x1F9E89, 0x35B779, 0x6ECE58, 0xB5DE2B, 0xFDE725,
)  # fmt: skip
"""Points of viridis: brightness rises evenly from one end to the other."""

_SHADES = 255


def heat_png(image: "NDArray[np.float32]", highest: float) -> bytes:
    """Draw values from 0 to `highest`, which is the brightest from there on; NaN is transparent."""
    import numpy as np

    scaled = np.nan_to_num(image / highest if highest > 0 else image * 0.0)
    shades = (np.clip(scaled, 0.0, 1.0) * (_SHADES - 1) + 1.5).astype(np.uint8)
    shades[np.isnan(image)] = 0
    height, width = shades.shape
    lines = np.zeros((height, width + 1), dtype=np.uint8)
    lines[:, 1:] = shades
    return b"".join((
        _SIGNATURE,
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        _chunk(b"PLTE", _palette()),
        _chunk(b"tRNS", b"\0"),
        _chunk(b"IDAT", zlib.compress(lines.tobytes(), 1)),
        _chunk(b"IEND", b""),
    ))  # fmt: skip


def _palette() -> bytes:
    import numpy as np

    anchors = np.array([[colour >> 16, colour >> 8 & 255, colour & 255] for colour in _ANCHORS])
    at = np.linspace(0, len(_ANCHORS) - 1, _SHADES)
    colours = [np.interp(at, range(len(_ANCHORS)), anchors[:, band]) for band in range(3)]
    return b"\0\0\0" + np.stack(colours, axis=1).round().astype(np.uint8).tobytes()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
