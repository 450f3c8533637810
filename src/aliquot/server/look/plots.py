"""Small drawings in pages that need no script: curves, histograms and bands, as paths of SVG."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

WIDTH, HEIGHT = 1000, 300
"""The coordinates of a drawing; the page stretches it."""

_BEST_QUALITY = 42


class Drawing(NamedTuple):
    """A path, and the labels of its axes from the lower left on: evenly apart, first to last."""

    path: str
    x: list[str]
    y: list[str]


def curve(points: Mapping[str, Any], sticks: bool = False, scale: float = 1.0) -> Drawing:
    """Draw `x` and `y` of a spectrum or chromatogram; `sticks` for peaks that are no curve; `scale` divides x."""
    xs, ys = points["x"], points["y"]
    if not xs:
        return Drawing("", [], [])
    low, high = xs[0], xs[-1]
    top = max(*ys, 0.0) or 1.0
    span = (high - low) or 1.0
    placed = [(WIDTH * (x - low) / span, HEIGHT - HEIGHT * max(0.0, y) / top) for x, y in zip(xs, ys, strict=True)]
    if sticks:
        path = "".join(f"M{x:.1f} {HEIGHT}V{y:.1f}" for x, y in placed)
    else:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
    ends = [number((low + span * part / 4) / scale) for part in range(5)]
    return Drawing(path, ends, [number(top * part / 2) for part in range(3)])


def bars(counts: Sequence[int]) -> str:
    """Draw a histogram of 4 units a bar and 20 high."""
    most = max(counts, default=0) or 1
    # What is there is seen, however little it is beside the most.
    return "".join(
        f"M{4 * at} 20V{20 - max(1.0, 20 * each / most):.1f}h3V20z" for at, each in enumerate(counts) if each
    )


def band(positions: Sequence[Mapping[str, Any]], lower: int, upper: int) -> str:
    """Draw the area between two quantiles of quality by position, given by their place in `quantiles`."""
    top = [_placed(positions, at, each["quantiles"][upper]) for at, each in enumerate(positions)]
    bottom = [_placed(positions, at, each["quantiles"][lower]) for at, each in enumerate(positions)]
    return "M" + "L".join([*top, *reversed(bottom)]) + "z" if top else ""


def middle(positions: Sequence[Mapping[str, Any]]) -> str:
    """Draw the median of quality by position."""
    return "M" + "L".join(_placed(positions, at, each["quantiles"][2]) for at, each in enumerate(positions))


def share(positions: Sequence[Mapping[str, Any]], base: int) -> str:
    """Draw the share of a base by position, from none at the bottom to half of all reads at the top."""
    last = max(1, len(positions) - 1)
    points = [
        f"{WIDTH * at / last:.1f} {HEIGHT - HEIGHT * min(1.0, each['bases'][base] * 2):.1f}"
        for at, each in enumerate(positions)
    ]
    return "M" + "L".join(points)


def number(value: float | None) -> str:
    """Write a number for people: five digits, with a separator of thousands."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e9 or size < 1e-3:
        return f"{value:.4g}"
    if float(value).is_integer() and size < 1e9:
        return f"{int(value):,}"
    decimals = max(0, 4 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _placed(positions: Sequence[Mapping[str, Any]], at: int, quality: float) -> str:
    last = max(1, len(positions) - 1)
    return f"{WIDTH * at / last:.1f} {HEIGHT - HEIGHT * min(quality, _BEST_QUALITY) / _BEST_QUALITY:.1f}"
