"""Bodies of the routes of pictures."""

from typing import Annotated

from pydantic import Field

from webcommon.api.schemas import RequestBody

LATEST_SECOND = 1_000_000
"""Seconds of a film, at most: eleven days."""


class ThumbnailMoment(RequestBody):
    """Which picture of the film stands for it."""

    at_seconds: Annotated[
        Annotated[float, Field(strict=True, ge=0, le=LATEST_SECOND, allow_inf_nan=False)] | None,
        Field(description="Null: the one that is chosen by itself.", examples=[83.5]),
    ]
