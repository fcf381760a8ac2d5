"""What goes over the wire about watching."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from videovault.videos.schemas import LARGEST_INTEGER, MOST_VIDEOS, VideoBody
from webcommon.api.schemas import Moment, RequestBody, ResponseBody, Text, Timestamp

LONGEST_SESSION = 100

SessionId = Annotated[Text, Field(min_length=1, max_length=LONGEST_SESSION)]
Position = Annotated[int, Field(strict=True, ge=0, le=LARGEST_INTEGER)]
Flag = Annotated[bool, Field(strict=True)]

SYNCED: Mapping[str, Any] = {
    "video_id": UUID,
    "session_id": SessionId,
    "position_seconds": Position,
    "completed": Flag,
    "completed_before": Flag,
    "watched_at": Moment,
}
"""The fields of an operation of sync on a viewing, and their types."""

_SESSION = "player-7"
_VIDEO_ID = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"
_STATE: dict[str, Any] = {
    "session_id": _SESSION,
    "position_seconds": 754,
    "completed": False,
    "completed_before": False,
    "watched_at": "2026-11-22T18:30:00Z",
}


class ProgressRequest(RequestBody):
    """A heartbeat of a player."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"position_seconds": 754.2, "session_id": _SESSION}]}
    )

    position_seconds: Annotated[float, Field(strict=True, ge=0, le=LARGEST_INTEGER, allow_inf_nan=False)] = (
        Field(description="Decimals are rounded down.")
    )
    completed: Flag = Field(
        False, description="The video was watched, whatever the position; near the end it is so by itself."
    )
    watched_at: Moment | None = Field(
        None, description="When the player was there. More than 5 minutes ahead, or left out: now."
    )
    session_id: SessionId | None = Field(
        None,
        description="Of the player's own making, one for each viewing. Without it, heartbeats within 30 minutes are one viewing.",
    )


class Progress(ResponseBody):
    """The viewing of a heartbeat."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_STATE, "applied": True}]})

    session_id: str
    position_seconds: int
    completed: bool
    completed_before: bool = Field(description="Whether you ever watched the video to its end, or marked it.")
    watched_at: Timestamp | None = Field(description="Null where the history was deleted since.")
    applied: bool = Field(
        description="Whether the heartbeat changed its viewing: not if it repeats the position, is older than what is known, or"
        " is of a viewing that was deleted."
    )


class ViewingBody(ResponseBody):
    """A viewing, with its video."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "video_id": _VIDEO_ID,
                    **_STATE,
                    "video": VideoBody.model_config["json_schema_extra"]["examples"][0],  # type: ignore[index]
                }
            ]
        }
    )

    video_id: UUID
    session_id: str
    position_seconds: int
    completed: bool
    completed_before: bool = Field(description="Whether this viewing ever was completed.")
    watched_at: Timestamp
    video: VideoBody


class MarkRequest(RequestBody):
    """Videos that were watched, or were not."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"video_ids": [_VIDEO_ID], "watched": True}]})

    video_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_VIDEOS)]
    watched: Flag = Field(description="No: as if they never had been, with the position at the beginning.")
