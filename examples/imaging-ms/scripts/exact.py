"""Sums of floating-point numbers without rounding.

Floating-point addition depends on its order, so the total of the parts would differ from the total of the whole in its
last digits. A float is a whole number times a power of two; added as such, nothing is lost, and the total ion current
before and after a measurement is split can be compared for equality.
"""

from fractions import Fraction

import numpy as np

MANTISSA_BITS = 53
HALF = 32


def exact_sum(values: np.ndarray) -> Fraction:
    """Add up an array of numbers exactly. Raises ValueError where one is infinite or not a number."""
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("an intensity is infinite or not a number")
    mantissas, exponents = np.frexp(numbers)
    whole = np.ldexp(mantissas, MANTISSA_BITS).astype(np.int64)
    total = Fraction(0)
    for exponent in np.unique(exponents):
        chosen = whole[exponents == exponent]
        # In halves, because a sum of 53-bit numbers would not fit into 64 bits.
        high, low = int((chosen >> HALF).sum()), int((chosen & (2**HALF - 1)).sum())
        total += Fraction((high << HALF) + low) * Fraction(2) ** (int(exponent) - MANTISSA_BITS)
    return total


def to_text(number: Fraction) -> str:
    """Write an exact number, as `from_text` reads it."""
    return f"{number.numerator}/{number.denominator}"


def from_text(text: str) -> Fraction:
    """Read an exact number that `to_text` wrote."""
    return Fraction(text)
