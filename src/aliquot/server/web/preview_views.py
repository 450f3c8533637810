"""What a preview's page loads beside itself: images of m/z, pictures, finer parts of spectra."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from starlette.responses import Response

from aliquot.formats.spectrum_window import MOST_POINTS
from aliquot.lab.previews import Shown
from aliquot.model.errors import Invalid
from aliquot.server.answers import json_answer, tagged
from aliquot.server.registered import ProjectOf
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.preview_query import PreviewQuery, Real

if TYPE_CHECKING:
    from aliquot.formats.preview_mzml import MassSpectrometryRun

ShownBy = Callable[[Visit], Shown]
"""Finds the file that the path of a request names."""

View = Callable[..., Response]

Points = Annotated[int, Query(ge=16, le=MOST_POINTS)]


def add_views(routes: Routes, prefix: str, rest: str, *, action: str, project: ProjectOf, shown: ShownBy) -> None:
    """Register the views of files that `prefix` and `rest` name, such as `/runs/{number}` and `/{path:path}`."""
    for name, view in _VIEWS.items():
        routes.raw("GET", f"{prefix}/view/{name}{rest}", action=action, project=project)(view(shown))


def _ion_image(shown: ShownBy) -> View:
    def ion_image(visit: AVisit, query: Annotated[PreviewQuery, Query()]) -> Response:
        """Draw an ion image, or without an m/z the total ion current."""
        asked = query.asked()
        image = visit.lab.previews.image(
            shown(visit),
            lambda pair: (
                pair.total_image() if asked.mz is None else pair.ion_image(asked.mz, asked.tolerance, asked.unit)
            ),
            whole=asked.mz is None,
        )
        return tagged(visit.request, image.png, "image/png")

    return ion_image


def _ion(shown: ShownBy) -> View:
    def ion(visit: AVisit, query: Annotated[PreviewQuery, Query()]) -> Response:
        """Give the legend of an ion image."""
        asked = query.asked()
        if asked.mz is None:
            raise Invalid("ion-image-window", "An ion image needs an m/z; give mz and tolerance as numbers.")
        mz = asked.mz
        found = visit.lab.previews.image(
            shown(visit), lambda pair: pair.ion_image(mz, asked.tolerance, asked.unit).document()
        )
        return json_answer(visit.request, found)

    return ion


def _picture(shown: ShownBy) -> View:
    def picture(visit: AVisit) -> Response:
        """Give a picture, drawn anew."""
        return tagged(visit.request, visit.lab.previews.picture(shown(visit)), "image/png")

    return picture


def _spectrum(shown: ShownBy) -> View:
    def spectrum(visit: AVisit, low: Real = None, high: Real = None, points: Points = 1000) -> Response:
        """Give a part of the mean spectrum."""
        found = visit.lab.previews.image(shown(visit), lambda pair: pair.mean_spectrum(low, high, points), whole=True)
        return json_answer(visit.request, found)

    return spectrum


def _pixel(shown: ShownBy) -> View:
    def pixel(visit: AVisit, x: int, y: int, low: Real = None, high: Real = None, points: Points = 1000) -> Response:
        """Give a part of the spectrum of a pixel."""
        found = visit.lab.previews.image(shown(visit), lambda pair: pair.spectrum_at(x, y, low, high, points))
        return json_answer(visit.request, found)

    return pixel


def _chromatogram(shown: ShownBy) -> View:
    def chromatogram(
        visit: AVisit, query: Annotated[PreviewQuery, Query()], low: Real = None, high: Real = None,
        points: Points = 1000,
    ) -> Response:  # fmt: skip
        """Give a part of a chromatogram; times are in seconds."""
        level = 1 if query.level is None else query.level
        found = visit.lab.previews.run(shown(visit), lambda run: run.chromatogram(query.of, low, high, points, level))
        return json_answer(visit.request, found)

    return chromatogram


def _scan(shown: ShownBy) -> View:
    def scan(
        visit: AVisit, query: Annotated[PreviewQuery, Query()], low: Real = None, high: Real = None,
        points: Points = 1000,
    ) -> Response:  # fmt: skip
        """Give a part of the spectrum of a scan: by its number, or nearest to a time."""
        asked = query.asked()

        def ask(run: "MassSpectrometryRun") -> dict[str, Any]:
            number = asked.scan
            if number is None:
                number = run.nearest(asked.time or 0.0, 1 if asked.level is None else asked.level)
            return run.scan(number, low, high, points)

        return json_answer(visit.request, visit.lab.previews.run(shown(visit), ask))

    return scan


_VIEWS: dict[str, Callable[[ShownBy], View]] = {
    "ion.png": _ion_image,
    "ion.json": _ion,
    "picture.png": _picture,
    "spectrum.json": _spectrum,
    "pixel.json": _pixel,
    "chromatogram.json": _chromatogram,
    "scan.json": _scan,
}
