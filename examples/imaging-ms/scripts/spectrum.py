"""What is done to one spectrum: smoothing, baseline, noise, peaks. Arrays of float64, one value for each point."""

from fractions import Fraction

import numpy as np

MAD_TO_SIGMA = 1.4826


def smoothing_weights(half_window: int, order: int) -> tuple[float, ...]:
    """Give the weights of a Savitzky-Golay filter: the value at 0 of the polynomial that fits the window best.

    The least-squares equations are solved in exact fractions, so that the weights are the same on every machine.
    Source: Savitzky and Golay, Anal. Chem. 36 (1964) 1627-1639.
    """
    terms = min(order, 2 * half_window) + 1
    places = range(-half_window, half_window + 1)
    rows = [[Fraction(sum(z ** (i + j) for z in places)) for j in range(terms)] + [Fraction(i == 0)]
            for i in range(terms)]  # fmt: skip
    for i in range(terms):
        pivot = next(k for k in range(i, terms) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(terms):
            if k != i:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return tuple(float(sum(row[-1] * z**i for i, row in enumerate(rows))) for z in places)


def smooth(values: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """Run a symmetric filter over a spectrum, which is mirrored at its ends; negative results become 0."""
    half = len(weights) // 2
    if half == 0 or len(values) <= half:
        return values
    padded = np.pad(values, half, mode="reflect")
    total = np.zeros_like(values)
    for shift, weight in enumerate(weights):
        total += weight * padded[shift : shift + len(values)]
    return np.maximum(total, 0.0)


def baseline(values: np.ndarray, window: int) -> np.ndarray:
    """Estimate the baseline by clipping peaks narrower than twice `window` points (SNIP).

    Intensities are compressed by log(log(sqrt)) first, so that large peaks do not lift it. Source: Ryan et al., Nucl.
    Instrum. Methods Phys. Res. B 34 (1988) 396-402; the window shrinks as in Morhac and Matousek, Appl. Spectrosc. 62
    (2008) 91-106.
    """
    level = np.log(np.log(np.sqrt(values + 1.0) + 1.0) + 1.0)
    for reach in range(min(window, (len(values) - 1) // 2), 0, -1):
        between = (level[: -2 * reach] + level[2 * reach :]) / 2
        level[reach:-reach] = np.minimum(level[reach:-reach], between)
    return (np.exp(np.exp(level) - 1.0) - 1.0) ** 2 - 1.0


def noise_of(values: np.ndarray) -> tuple[float, float]:
    """Estimate the level of the noise in corrected values, their median, and its standard deviation.

    The baseline runs along the lower edge of the noise, so its level is above 0. The deviation is taken from the median
    absolute deviation; both are 0 where the instrument's software has already cut the noise away.
    """
    if len(values) == 0:
        return 0.0, 0.0
    level = float(np.median(values))
    return level, float(MAD_TO_SIGMA * np.median(np.abs(values - level)))


def find_peaks(mz: np.ndarray, values: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Give m/z and height of the local maxima above a threshold.

    The m/z of a peak is that of the vertex of the parabola through the three points around its top.
    """
    if len(values) < 3:
        return np.empty(0), np.empty(0)
    left, top, right = values[:-2], values[1:-1], values[2:]
    found = np.flatnonzero((top > left) & (top >= right) & (top > threshold)) + 1
    before, at, after = values[found - 1], values[found], values[found + 1]
    # Between -1/2 and 1/2 of the way to a neighbour, because the middle point is the highest of the three.
    shift = 0.5 * (before - after) / (before - 2 * at + after)
    step = np.where(shift < 0, mz[found] - mz[found - 1], mz[found + 1] - mz[found])
    return mz[found] + shift * step, at
