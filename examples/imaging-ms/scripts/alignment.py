"""Which peaks of different spectra are one ion."""

from itertools import pairwise

import numpy as np


def ion_ranges(mz: np.ndarray, tolerance: float, unit: str) -> list[tuple[int, int]]:
    """Cut sorted m/z values into ranges, one for each ion, none wider than twice the tolerance.

    Values further apart than the tolerance are different ions; what is still too wide is cut at its widest gap, again
    and again. After the binning of MALDIquant: Gibb and Strimmer, Bioinformatics 28 (2012) 2270-2271.
    """
    if len(mz) == 0:
        return []
    allowed = mz * tolerance * 1e-6 if unit == "ppm" else np.full(len(mz), tolerance)
    gaps = np.diff(mz)
    cuts = [0, *(np.flatnonzero(gaps > allowed[:-1]) + 1).tolist(), len(mz)]
    waiting = list(pairwise(cuts))[::-1]
    done: list[tuple[int, int]] = []
    while waiting:
        start, stop = waiting.pop()
        if mz[stop - 1] - mz[start] <= 2 * allowed[start]:
            done.append((start, stop))
            continue
        cut = start + 1 + int(np.argmax(gaps[start : stop - 1]))
        waiting += [(cut, stop), (start, cut)]
    return done
