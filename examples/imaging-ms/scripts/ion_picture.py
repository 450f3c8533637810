"""Draws the picture of an ion: one square for each pixel, with axes, a scale of colours and a title.

The colours are made in OKLab (Ottosson, "A perceptual color space for image processing", 2020): lightness rises evenly
from a dark blue to a pale yellow, so that equal steps of intensity look equal, on paper without colour too.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, FAINT, MISSING = (255, 255, 255), (38, 46, 56), (108, 117, 128), (226, 229, 233)
PLOT = 480
"""The longer side of the picture proper, in screen pixels, as nearly as whole squares allow."""
LEFT, TOP, BOTTOM, BETWEEN, BAR, RIGHT, NARROWEST = 64, 78, 62, 22, 16, 84, 340


@dataclass(frozen=True)
class Grid:
    """Where the spectra lie: size in pixels, positions counted from 0, side of a pixel in micrometres or None."""

    width: int
    height: int
    x: np.ndarray
    y: np.ndarray
    pixel_size: float | None

    @classmethod
    def of(cls, x: list[int], y: list[int], width: int, height: int, pixel_size: float | None) -> "Grid":
        """Make the grid of positions counted from 1, at least as large as declared."""
        return cls(max(width, *x), max(height, *y), np.array(x) - 1, np.array(y) - 1, pixel_size)


def colour_map(steps: int = 256) -> np.ndarray:
    """Give the colours from lowest to highest intensity: three values for each step, 0 to 255."""
    t = np.linspace(0.0, 1.0, steps)
    lightness = 0.20 + 0.76 * t
    hue = np.radians(285.0 - 185.0 * t**1.5)
    chroma = 0.03 + 0.075 * np.sin(np.pi * (0.1 + 0.8 * t))
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack([
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    ], axis=1).clip(0.0, 1.0)  # fmt: skip
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(gamma * 255).astype(np.uint8)


def draw(grid: Grid, values: np.ndarray, title: str, note: str, brightest: float) -> Image.Image:
    """Draw values, one for each spectrum; the colours end at the percentile `brightest` of those above 0."""
    above = values[values > 0]
    top = float(np.percentile(above, brightest)) if len(above) else 0.0
    scale = max(1, PLOT // max(grid.width, grid.height))
    width, height = grid.width * scale, grid.height * scale
    page_width = max(LEFT + width + BETWEEN + BAR + RIGHT, NARROWEST)
    page = Image.new("RGB", (page_width, TOP + height + BOTTOM), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((LEFT, 16), title, INK, _font(22))
    pen.text((LEFT, 46), _fitting(pen, note, page_width - LEFT - 16), FAINT, _font(14))
    page.paste(_squares(grid, values, top).resize((width, height), Image.Resampling.NEAREST), (LEFT, TOP))
    pen.rectangle((LEFT - 1, TOP - 1, LEFT + width, TOP + height), outline=FAINT)
    _axes(pen, grid, scale)
    _bar(page, pen, LEFT + width + BETWEEN, height, top, clipped=bool(len(above)) and float(above.max()) > top)
    return page


def _squares(grid: Grid, values: np.ndarray, top: float) -> Image.Image:
    """Give the picture with one dot for each pixel; where there is no spectrum, the colour is that of nothing."""
    dots = np.empty((grid.height, grid.width, 3), np.uint8)
    dots[:] = MISSING
    share = np.clip(values / top, 0.0, 1.0) if top else np.zeros(len(values))
    dots[grid.y, grid.x] = colour_map()[np.rint(share * 255).astype(int)]
    return Image.fromarray(dots)


def _axes(pen: ImageDraw.ImageDraw, grid: Grid, scale: int) -> None:
    """Draw ticks at round positions, which are counted from 1, and say what they count."""
    small = _font(13)
    bottom = TOP + grid.height * scale
    for x in _ticks(grid.width):
        middle = LEFT + (x - 0.5) * scale
        pen.line((middle, bottom + 1, middle, bottom + 5), FAINT)
        pen.text((middle, bottom + 8), str(x), INK, small, anchor="ma")
    for y in _ticks(grid.height):
        middle = TOP + (y - 0.5) * scale
        pen.line((LEFT - 6, middle, LEFT - 2, middle), FAINT)
        pen.text((LEFT - 10, middle), str(y), INK, small, anchor="rm")
    side = f", {grid.pixel_size:g} micrometres each" if grid.pixel_size and grid.pixel_size > 1 else ""
    pen.text((LEFT, bottom + 30), f"x and y in pixels{side}", FAINT, small)
    if len(set(zip(grid.x.tolist(), grid.y.tolist(), strict=True))) < grid.width * grid.height:
        start = LEFT + pen.textlength(f"x and y in pixels{side}", small) + 18
        pen.rectangle((start, bottom + 32, start + 11, bottom + 43), fill=MISSING, outline=FAINT)
        pen.text((start + 18, bottom + 30), "no spectrum", FAINT, small)


def _ticks(count: int) -> list[int]:
    """Give about six round positions between 1 and count."""
    rough = count / 6
    power = 10 ** math.floor(math.log10(rough)) if rough >= 1 else 1
    step = next((int(power * each) for each in (1, 2, 5, 10) if power * each >= rough), 1)
    return list(range(step, count + 1, step)) if step > 1 else list(range(1, count + 1))


def _bar(page: Image.Image, pen: ImageDraw.ImageDraw, left: int, height: int, top: float, *, clipped: bool) -> None:
    """Draw the scale of colours from 0 to the highest value."""
    colours = Image.fromarray(colour_map()[::-1].reshape(256, 1, 3))
    page.paste(colours.resize((BAR, height), Image.Resampling.NEAREST), (left, TOP))
    pen.rectangle((left - 1, TOP - 1, left + BAR, TOP + height), outline=FAINT)
    small = _font(13)
    shares = (0.0, 0.5, 1.0) if height >= 60 else (0.0, 1.0)
    for share in shares:
        middle = TOP + height * (1 - share)
        pen.line((left + BAR + 1, middle, left + BAR + 5, middle), FAINT)
        sign = ">" if clipped and share == 1.0 else ""
        pen.text((left + BAR + 9, middle), sign + _number(top * share), INK, small, anchor="lm")


def _number(value: float) -> str:
    """Write a number in three digits, with a power of ten only where it is very large or small."""
    return f"{value:.0f}" if 1000 <= value < 1e6 else f"{value:.3g}"


def _fitting(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """Shorten a text to a width on screen."""
    if pen.textlength(text, _font(14)) <= width:
        return text
    while text and pen.textlength(f"{text}…", _font(14)) > width:
        text = text[:-1]
    return f"{text}…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
