"""A picture small enough for a page: PNG, JPEG, TIFF, GIF, WebP and BMP, drawn anew: only pixels get through."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aliquot.model.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP")
_EDGE = 1_600
_MOST_PIXELS = 120_000_000


def keep_picture(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Draw a picture of at most 1,600 pixels a side; writes `picture`, a PNG.

    One that would unpack to more than 120 million pixels is `Invalid`, whatever its file weighs.
    """
    if find_spec("PIL") is None:
        text = "pictures need pillow; install it with: pip install 'aliquot[imaging]'"
        raise Unavailable("extra-missing", text, extra="imaging")
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Our own bound, below, stands in for pillow's warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(files[0], formats=FORMATS)
        with opened:
            width, height = opened.size
            if width * height > _MOST_PIXELS:
                text = f"The picture has {width} by {height} pixels, too many to be drawn here; download it."
                raise Invalid("picture-too-large", text)
            summary = {
                "kind": "picture",
                "format": opened.format,
                "width": width,
                "height": height,
                "mode": opened.mode,
                "frames": int(getattr(opened, "n_frames", 1)),
            }
            opened.draft("RGB", (_EDGE, _EDGE))
            shown = _eight_bits(ImageOps.exif_transpose(opened))
            shown.thumbnail((_EDGE, _EDGE))
            shown.save(folder / "picture", format="PNG")
    except Image.DecompressionBombError:
        raise Invalid("picture-too-large", "The picture has too many pixels to be drawn here; download it.") from None
    except UnidentifiedImageError:
        raise Invalid(
            "picture-damaged", "The file is no picture that can be read, or its beginning is damaged."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Invalid("picture-damaged", f"The picture cannot be read to its end: {error}.") from None
    return summary | {"shown_width": shown.width, "shown_height": shown.height}


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """Give a picture that a PNG of 8 bits can hold; microscopes' 16 and 32 bits are stretched from black to white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        grey = image.convert("F")
        low, high = (float(each) for each in grey.getextrema())  # pyright: ignore[reportArgumentType]  # one band
        scale = 255.0 / (high - low) if high > low else 0.0
        return grey.point(lambda value: value * scale - low * scale).convert("L")
    if image.mode in ("RGB", "RGBA", "L", "LA"):
        return image
    return image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
