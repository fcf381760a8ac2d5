"""Bodies of the routes that change videos."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from videovault.videos.schemas import MOST_VIDEOS, Description, MediaType, Name, Path, Seconds, Title
from webcommon.api.schemas import JsonObject, RequestBody


class VideoPatch(RequestBody):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "The harbour at night", "metadata": {"place": None, "rating": 5}}]
        }
    )

    title: Title | None = None
    description: Description | None = None
    # Factories, since OpenAPI would show a default as the value of a field that is left out.
    file_name: Name = Field(default_factory=str)
    mime_type: MediaType = Field(default_factory=str)
    duration_seconds: Seconds | None = None
    metadata: JsonObject | None = Field(
        None, description="A merge patch (RFC 7396): null removes a key, objects are merged."
    )


class NewPath(RequestBody):
    """Where the file is now."""

    file_path: Path = Field(examples=["/films/harbour/evening.mp4"])


class VideoIds(RequestBody):
    """Videos of one act."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"video_ids": ["019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"]}]}
    )

    video_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_VIDEOS)]


class Move(NewPath):
    """A video and where its file is now."""

    video_id: UUID


class Moves(RequestBody):
    """Moves of one act. Videos may take each other's paths."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "moves": [
                        {
                            "video_id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
                            "file_path": "/films/harbour/evening.mp4",
                        }
                    ]
                }
            ]
        }
    )

    moves: Annotated[list[Move], Field(min_length=1, max_length=MOST_VIDEOS)]
