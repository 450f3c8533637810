"""What a preview's page loads beside itself: images of m/z, pictures, finer parts of spectra."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from aliquot.formats.spectrum_window import MOST_POINTS
from aliquot.lab.preview_of import Asked
from aliquot.lab.previews import Previews, Shown
from aliquot.model.errors import Invalid
from aliquot.server.answers import json_answer, tagged
from aliquot.server.registered import ProjectOf
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.preview_query import PreviewQuery, Real

ShownBy = Callable[[Visit], Shown]
"""Finds the file that the path of a request names."""

Points = Annotated[int, Query(ge=16, le=MOST_POINTS)]


def add_views(routes: Routes, prefix: str, rest: str, *, action: str, project: ProjectOf, shown: ShownBy) -> None:
    """Register the views of files that `prefix` and `rest` name, such as `/runs/{number}` and `/{path:path}`."""

    def add(name: str, view: Callable[..., Response]) -> None:
        routes.raw("GET", f"{prefix}/view/{name}{rest}", action=action, project=project)(view)

    def ion_image(visit: AVisit, query: Annotated[PreviewQuery, Query()]) -> Response:
        """Draw an ion image, or without an m/z the total ion current."""
        asked = query.asked()
        image = _previews(visit).image(
            shown(visit),
            lambda pair: (
                pair.total_image() if asked.mz is None else pair.ion_image(asked.mz, asked.tolerance, asked.unit)
            ),
            whole=asked.mz is None,
        )
        return tagged(visit.request, image.png, "image/png")

    def ion(visit: AVisit, query: Annotated[PreviewQuery, Query()]) -> Response:
        """Give the legend of an ion image."""
        asked = _with_mz(query)
        file = shown(visit)
        found = _previews(visit).image(
            file, lambda pair: pair.ion_image(asked.mz or 0.0, asked.tolerance, asked.unit).document()
        )
        return json_answer(visit.request, found)

    def picture(visit: AVisit) -> Response:
        """Give a picture, drawn anew."""
        return tagged(visit.request, _previews(visit).picture(shown(visit)), "image/png")

    def spectrum(visit: AVisit, low: Real = None, high: Real = None, points: Points = 1000) -> Response:
        """Give a part of the mean spectrum."""
        found = _previews(visit).image(shown(visit), lambda pair: pair.mean_spectrum(low, high, points), whole=True)
        return json_answer(visit.request, found)

    def pixel(visit: AVisit, x: int, y: int, low: Real = None, high: Real = None, points: Points = 1000) -> Response:
        """Give a part of the spectrum of a pixel."""
        found = _previews(visit).image(shown(visit), lambda pair: pair.spectrum_at(x, y, low, high, points))
        return json_answer(visit.request, found)

    def chromatogram(
        visit: AVisit, query: Annotated[PreviewQuery, Query()], low: Real = None, high: Real = None,
        points: Points = 1000,
    ) -> Response:  # fmt: skip
        """Give a part of a chromatogram; times are in seconds."""
        level = 1 if query.level is None else query.level
        found = _previews(visit).run(shown(visit), lambda run: run.chromatogram(query.of, low, high, points, level))
        return json_answer(visit.request, found)

    def scan(
        visit: AVisit, query: Annotated[PreviewQuery, Query()], low: Real = None, high: Real = None,
        points: Points = 1000,
    ) -> Response:  # fmt: skip
        """Give a part of the spectrum of a scan: by its number, or nearest to a time."""
        asked = query.asked()

        def ask(run: Any) -> dict[str, Any]:
            number = asked.scan
            if number is None:
                number = run.nearest(asked.time or 0.0, 1 if asked.level is None else asked.level)
            return run.scan(number, low, high, points)

        return json_answer(visit.request, _previews(visit).run(shown(visit), ask))

    for name, view in (
        ("ion.png", ion_image), ("ion.json", ion), ("picture.png", picture), ("spectrum.json", spectrum),
        ("pixel.json", pixel), ("chromatogram.json", chromatogram), ("scan.json", scan),
    ):  # fmt: skip
        add(name, view)


def _previews(visit: Visit) -> Previews:
    return visit.lab.previews


def _with_mz(query: PreviewQuery) -> Asked:
    asked = query.asked()
    if asked.mz is None:
        raise Invalid("ion-image-window", "An ion image needs an m/z; give mz and tolerance as numbers.")
    return asked
