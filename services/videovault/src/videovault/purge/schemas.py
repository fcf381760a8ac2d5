"""Bodies of `POST /v1/videos/purge-missing`."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import RequestBody, ResponseBody, Timestamp

MOST_LISTED = 100
"""Videos that an answer lists; `count` counts all."""


class PurgeRequest(RequestBody):
    """Which missing videos to delete."""

    dry_run: Annotated[bool, Field(strict=True)] = Field(
        True, description="Only say which these are.", examples=[False]
    )
    older_than_days: Annotated[int, Field(strict=True, ge=0, le=36_500)] = Field(
        30, description="Missing for so long at least."
    )


class MissingVideo(ResponseBody):
    """A video whose file is gone."""

    id: UUID
    file_path: str
    missing_since: Timestamp


class Purge(ResponseBody):
    """The missing videos that were deleted, or would be."""

    dry_run: bool
    count: int = Field(examples=[3])
    videos: list[MissingVideo] = Field(description=f"The {MOST_LISTED} that are missing longest.")
    operation_id: UUID | None = Field(
        description="Of the deletion, which can be undone; null if none was made."
    )
