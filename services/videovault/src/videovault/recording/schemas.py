"""Bodies of the routes that record videos by their paths."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from videovault.videos.schemas import EXAMPLE, MOST_VIDEOS
from webcommon.api.schemas import RequestBody, ResponseBody

MOST_ERRORS = 1000
"""Errors that the answer to a stream lists."""

_ERROR: dict[str, Any] = {"index": 3, "detail": "file_size: Input should be greater than or equal to 0"}


class VideoBatch(RequestBody):
    """Videos to record, each a body of `POST /v1/videos`. An invalid one is listed in the answer, and stops no other."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"videos": [EXAMPLE]}]})

    videos: Annotated[list[Any], Field(max_length=MOST_VIDEOS)]


class BatchError(ResponseBody):
    """A video of the batch that was not stored."""

    index: int = Field(description="Its place in the batch, or the number of its line, from 0.")
    detail: str


class BatchResult(ResponseBody):
    """What became of a batch; of videos with one path the last counts."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"created": 480, "updated": 12, "unchanged": 7, "errors": [_ERROR]}]}
    )

    created: int
    updated: int
    unchanged: int
    errors: list[BatchError]


class StreamResult(BatchResult):
    """What became of a stream. A path that came again in a later transaction counts again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"created": 80231, "updated": 0, "unchanged": 0, "errors": [_ERROR], "error_count": 1}
            ]
        }
    )

    error_count: int = Field(description=f"Of all; `errors` has the first {MOST_ERRORS:,}.")
