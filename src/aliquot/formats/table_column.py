"""What is in one column of a table: counts, range, quantiles, a small histogram, the most frequent texts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

BINS = 24
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_COUNTED = 1_000_000
_FREQUENT = 8
_SHOWN = 80


def summarise(columns: Path, at: int, label: str, numeric: bool) -> dict[str, Any]:
    """Say what is in a column, by its place, of a file of columns; holds that one column in memory.

    `distinct` is estimated, and `estimated` true, beyond a million rows. `other` counts texts among numbers.
    """
    import polars as pl

    frame = pl.scan_parquet(columns, glob=False)
    found: dict[str, Any] = {"name": label, "type": "number" if numeric else "text"}
    if numeric:
        values = frame.select(f"v{at}", f"o{at}").collect()
        return found | _of_numbers(values.to_series(0), values.to_series(1))
    return found | _of_texts(frame.select(f"c{at}").collect().to_series())


def _of_numbers(values: "pl.Series", others: "pl.Series") -> dict[str, Any]:
    other = len(others) - others.null_count()
    there = values.drop_nulls()
    found: dict[str, Any] = {"missing": values.null_count() - other, "other": other, "count": len(there)}
    found |= _distinct(there)
    if not len(there):
        return found | {"bins": []}
    low, high = float(there.min()), float(there.max())  # pyright: ignore[reportArgumentType]  # numbers, not empty
    found |= {"min": low, "max": high, "mean": there.mean(), "bins": _histogram(there, low, high)}
    found["quantiles"] = [[share, there.quantile(share, "linear")] for share in _QUANTILES]
    return found


def _histogram(values: "pl.Series", low: float, high: float) -> list[int]:
    import polars as pl

    if high == low:
        return [len(values)]
    span = high - low
    # The difference of two finite numbers may have no place among them.
    place = (values / 2 - low / 2) / (high / 2 - low / 2) if span == float("inf") else (values - low) / span
    counted = (place * BINS).floor().clip(0, BINS - 1).cast(pl.Int32).value_counts()
    bins = [0] * BINS
    for bin_, count in counted.iter_rows():
        bins[bin_] = count
    return bins


def _of_texts(values: "pl.Series") -> dict[str, Any]:
    import polars as pl

    there = values.filter(values.is_not_null() & (values != ""))
    found: dict[str, Any] = {"missing": len(values) - len(there), "other": 0, "count": len(there)}
    found |= _distinct(there)
    if not len(there):
        return found | {"frequent": [], "bins": []}
    low, high = str(there.min()), str(there.max())
    found |= {"min": low[:_SHOWN], "max": high[:_SHOWN], "longest": there.str.len_chars().max()}
    counted = there.value_counts(name="count").top_k(BINS, by=[pl.col("count")])
    counted = counted.sort("count", there.name, descending=[True, False])
    rows = [(str(text)[:_SHOWN], int(count)) for text, count in counted.iter_rows()]
    return found | {"frequent": [list(row) for row in rows[:_FREQUENT]], "bins": [count for _, count in rows]}


def _distinct(there: "pl.Series") -> dict[str, Any]:
    import polars as pl

    estimated = len(there) > _COUNTED
    count = there.to_frame().select(pl.first().approx_n_unique()).item() if estimated else there.n_unique()
    return {"distinct": min(count, len(there)), "estimated": estimated}
