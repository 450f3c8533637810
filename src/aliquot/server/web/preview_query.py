"""What the address of a page asks of a preview."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from aliquot.formats.table_page import Comparison
from aliquot.lab.preview_of import Asked, filters


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


def _blanks_are_none(values: Any) -> Any:
    return [0 if each == "" else each for each in values] if isinstance(values, list) else values


Real = Annotated[float | None, BeforeValidator(_blank_is_none), Field(allow_inf_nan=False)]
Whole = Annotated[int | None, BeforeValidator(_blank_is_none), Field(ge=-(2**31), le=2**31)]


class PreviewQuery(BaseModel):
    """The query of a page with a preview: what forms without script send, so fields may be empty."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    sort: Whole = Field(None, description="Place of a column from 1; negative: falling.")
    column: Annotated[list[int], BeforeValidator(_blanks_are_none)] = Field([], description="Filters: the column.")
    how: list[Comparison] = Field([], description="Filters: how to compare.")
    value: list[str] = Field([], description="Filters: with what.")
    offset: Whole = Field(None, description="Rows that come before.")
    left: Whole = Field(None, description="The first column, from 1.")
    mz: Real = Field(None, description="The m/z of an ion image.")
    tolerance: Real = Field(None, description="How far from it, to both sides.")
    unit: Literal["ppm", "da"] = Field("ppm", description="What the tolerance is in.")
    x: Whole = Field(None, description="A pixel, from 1.")
    y: Whole = None
    clicked_x: Whole = Field(None, alias="pixel.x", description="Where a picture was clicked that is `zoom` as large.")
    clicked_y: Whole = Field(None, alias="pixel.y")
    zoom: Whole = None
    scan: Whole = Field(None, description="A scan of a run, from 0.")
    time: Real = Field(None, description="The scan nearest to a time in minutes.")
    level: Whole = Field(None, description="MS level.")
    of: Literal["tic", "base"] = Field("tic", description="Total or base peak chromatogram.")

    def asked(self) -> Asked:
        """Give it as previews are asked."""
        x, y = self.x, self.y
        if self.clicked_x is not None and self.clicked_y is not None:
            zoom = max(1, self.zoom or 1)
            x, y = self.clicked_x // zoom + 1, self.clicked_y // zoom + 1
        return Asked(
            sort=self.sort or 0,
            filters=filters(self.column, self.how, self.value),
            offset=max(0, self.offset or 0),
            first_column=max(1, self.left or 1),
            mz=self.mz,
            tolerance=20.0 if self.tolerance is None else self.tolerance,
            unit=self.unit,
            x=x,
            y=y,
            scan=self.scan,
            time=None if self.time is None else self.time * 60,
            level=self.level,
            of=self.of,
        )
