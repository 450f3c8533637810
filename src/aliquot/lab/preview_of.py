"""A file as a page shows it: the summary of its preview, and what was asked of it beyond that."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from aliquot.formats.table_page import Comparison, Filter, Wanted
from aliquot.lab.previews import Previews, Shown
from aliquot.model.errors import Invalid, Missing, Unavailable

if TYPE_CHECKING:
    from aliquot.formats.preview_imzml import ImagingPair
    from aliquot.formats.preview_mzml import MassSpectrometryRun

T = TypeVar("T")

POINTS = 900
"""Points of a spectrum on a page without script; zooming asks for more."""

ROWS = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a preview: a page of a table, an ion image, the spectrum of a pixel, a scan of a run.

    `sort` is the place of a column, counted from 1, negative for falling order; 0 for the order of the file.
    `tolerance` is in ppm or Da, by `unit`; `time` in seconds; pixels and columns are counted from 1, scans from 0.
    """

    sort: int = 0
    filters: tuple[Filter, ...] = ()
    offset: int = 0
    first_column: int = 1
    mz: float | None = None
    tolerance: float = 20.0
    unit: Literal["ppm", "da"] = "ppm"
    x: int | None = None
    y: int | None = None
    scan: int | None = None
    time: float | None = None
    level: int | None = None
    of: Literal["tic", "base"] = "tic"

    @property
    def wanted(self) -> Wanted:
        """Give the rows that are asked for."""
        return Wanted(abs(self.sort) - 1 if self.sort else None, self.sort < 0, self.filters)


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview as it is shown: `kind`, the `summary`, which is None as long as it is being made, and `parts`.

    `parts` has what was asked for, by kind: `page` of a table; `mean`, `ion`, `pixel` of an image; `chromatogram` and
    `scan` of a run. `problem` says in words what could not be had of it.
    """

    kind: str
    summary: dict[str, Any] | None
    asked: Asked
    parts: dict[str, Any] = field(default_factory=dict[str, Any])
    problem: str = ""


def preview_of(previews: Previews, shown: Shown, asked: Asked | None = None) -> Preview:
    """Look at a file: from what is kept, or as soon as it is made; a broken file gives findings in the summary."""
    asked = asked or Asked()
    look = previews.look(shown)
    parts: dict[str, Any] = {}
    problem = ""
    if look.summary is None or "findings" not in look.summary:
        try:
            _FILL.get(look.kind, _nothing)(previews, shown, asked, look.making, parts)
        except (Invalid, Missing, Unavailable) as error:
            problem = error.message
    return Preview(look.kind, look.summary, asked, parts, problem)


def _nothing(previews: Previews, shown: Shown, asked: Asked, making: bool, parts: dict[str, Any]) -> None:
    del previews, shown, asked, making, parts


def _fill_table(previews: Previews, shown: Shown, asked: Asked, making: bool, parts: dict[str, Any]) -> None:
    if not making:
        first = max(0, asked.first_column - 1)
        parts["page"] = previews.table(shown, lambda table: table.page(asked.wanted, asked.offset, ROWS, first))


def _fill_image(previews: Previews, shown: Shown, asked: Asked, making: bool, parts: dict[str, Any]) -> None:
    def ask(pair: "ImagingPair") -> None:
        parts["size"] = [pair.summary["width"], pair.summary["height"]]
        if not making:
            parts["mean"] = pair.mean_spectrum(None, None, POINTS)
        if asked.mz is not None:
            parts["ion"] = pair.ion_image(asked.mz, asked.tolerance, asked.unit).document()
        elif not making:
            parts["ion"] = pair.total_image().document()
        if asked.x is not None and asked.y is not None:
            parts["pixel"] = pair.spectrum_at(asked.x, asked.y, None, None, POINTS)

    previews.image(shown, ask, whole=not making)


def _fill_run(previews: Previews, shown: Shown, asked: Asked, making: bool, parts: dict[str, Any]) -> None:
    def ask(run: "MassSpectrometryRun") -> None:
        level = asked.level if asked.level is not None else min(each for each, _ in run.summary["levels"])
        parts["level"] = level
        parts["chromatogram"] = run.chromatogram(asked.of, None, None, POINTS, level)
        number = asked.scan
        if number is None:
            number = run.nearest(asked.time, level) if asked.time is not None else run.highest(level)
        parts["scan"] = run.scan(number, None, None, POINTS)

    if not making:
        previews.run(shown, ask)


_FILL: dict[str, Callable[[Previews, Shown, Asked, bool, dict[str, Any]], None]] = {
    "table": _fill_table,
    "imzml": _fill_image,
    "mzml": _fill_run,
}


def filters(columns: list[int], hows: list[Comparison], values: list[str], most: int = 8) -> tuple[Filter, ...]:
    """Make filters of what a form sends: columns counted from 1, how, value; a row without a column is left out."""
    rows = zip(columns, hows, values, strict=False)
    found = [Filter(at - 1, how, value) for at, how, value in rows if at >= 1]
    if len(found) > most:
        raise Invalid("filters-too-many", f"At most {most} filters can be set at once.", filters=len(found))
    needs = ("contains", "is", "not", "below", "above")
    return tuple(each for each in found if each.value != "" or each.how not in needs)
