"""A part of a spectrum or chromatogram in as many points as a screen can show, with every peak still in it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_POINTS = 4_000


def window(
    x: "NDArray[np.floating]", y: "NDArray[np.floating]", low: float | None, high: float | None, points: int
) -> dict[str, Any]:
    """Give the points from `low` to `high` of a curve with rising `x`, at most about `points`.

    Where there are more, the lowest and the highest of each of many equal stretches stand for it, at their own places.
    `whole` says that nothing is left out, `of` how many points there are in the window.
    """
    import numpy as np

    points = max(16, min(points, MOST_POINTS))
    first = 0 if low is None else int(np.searchsorted(x, low))
    last = len(x) if high is None else int(np.searchsorted(x, high, side="right"))
    # One point more on each side: the line goes on to the edge of the screen.
    first, last = max(0, first - 1), min(len(x), last + 1)
    count = last - first
    if count <= points:
        chosen = np.arange(first, last)
    else:
        stretch = -(-count * 2 // points)
        padded = np.full(-(-count // stretch) * stretch, np.nan)
        padded[:count] = y[first:last]
        rows = padded.reshape(-1, stretch)
        starts = np.arange(len(rows)) * stretch + first
        lowest = np.where(np.isnan(rows), np.inf, rows).argmin(axis=1)
        highest = np.where(np.isnan(rows), -np.inf, rows).argmax(axis=1)
        ends = np.sort(np.stack([starts + lowest, starts + highest], axis=1), axis=1).ravel()
        chosen = np.unique(np.concatenate([[first], ends, [last - 1]]))
        chosen = chosen[chosen < last]
    return {
        "x": _numbers(x[chosen]),
        "y": _numbers(y[chosen]),
        "whole": count <= points,
        "of": count,
    }


def highest_peaks(x: "NDArray[np.floating]", y: "NDArray[np.floating]", most: int, apart: float) -> list[list[float]]:
    """Give the highest tops as `[x, y]`, none nearer to a higher one than `apart` of its own x."""
    import numpy as np

    framed = np.concatenate([[-np.inf], y, [-np.inf]])
    tops = np.flatnonzero((framed[1:-1] >= framed[:-2]) & (framed[1:-1] > framed[2:]))
    found: list[list[float]] = []
    for at in tops[np.argsort(y[tops])[::-1][: most * 200]]:
        here = float(x[at])
        if y[at] > 0 and all(abs(here - other) > apart * here for other, _ in found):
            found.append([here, float(y[at])])
            if len(found) == most:
                break
    return found


def _numbers(values: "NDArray[np.floating]") -> list[float]:
    import numpy as np

    # Seven digits are more than a screen shows and less than half of what repr writes.
    return [float(f"{value:.9g}") for value in np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).tolist()]
