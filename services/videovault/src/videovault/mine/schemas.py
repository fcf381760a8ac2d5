"""What goes over the wire about a user's own of a video."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from webcommon.api.schemas import RequestBody, ResponseBody

HIGHEST_RATING = 10

Rating = Annotated[int, Field(strict=True, ge=0, le=HIGHEST_RATING)]
Flag = Annotated[bool, Field(strict=True)]

_EXAMPLE: dict[str, Any] = {"favourite": True, "rating": 8}

SYNCED: Mapping[str, Any] = {"video_id": UUID, "favourite": Flag, "rating": Rating | None}
"""The fields of an operation of sync, and their types."""


class MineRequest(RequestBody):
    """What a video is to you. What is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    favourite: Flag = False
    rating: Rating | None = Field(None, description="From 0 to 10; null takes it away.")


class MineBody(ResponseBody):
    """What a video is to you; nobody else sees it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    favourite: bool
    rating: int | None
