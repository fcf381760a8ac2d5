"""What goes over the wire about playlists."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from videovault.playlists.positions import LONGEST, PATTERN
from videovault.videos.schemas import VideoBody
from webcommon.api.schemas import RequestBody, ResponseBody, Text, Timestamp

LONGEST_NAME = 200

Name = Annotated[Text, Field(min_length=1, max_length=LONGEST_NAME)]

SYNCED_PLAYLIST: Mapping[str, Any] = {"name": Name}
SYNCED_ITEM: Mapping[str, Any] = {
    "playlist_id": UUID,
    "video_id": UUID,
    "position": Annotated[str, Field(pattern=PATTERN, max_length=LONGEST)],
}
"""The fields of operations of sync, and their types."""

_ID = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"
_ITEM: dict[str, Any] = {"id": _ID, "video_id": "019a2b3c-5a10-7c02-9f3e-6b1a7c8d9e0f", "position": "V01"}


class PlaylistRequest(RequestBody):
    """The name of a playlist."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Evenings"}]})

    name: Name


class PlaylistBody(ResponseBody):
    """A playlist."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "name": "Evenings",
                    "is_watch_later": False,
                    "items": 12,
                    "created_at": "2026-11-22T18:30:00Z",
                }
            ]
        }
    )

    id: UUID
    name: str
    is_watch_later: bool = Field(description="The one that is always there.")
    items: int
    created_at: Timestamp


class NewItem(RequestBody):
    """A video to add."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"video_id": _ITEM["video_id"]}]})

    video_id: UUID


class ItemMove(RequestBody):
    """Where an item goes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"after": _ID}]})

    after: UUID | None = Field(description="The item that it is to follow; null: it becomes the first.")


class ItemBody(ResponseBody):
    """A video in a playlist."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_ITEM, "gap": None, "video": None}]})

    id: UUID
    video_id: UUID
    position: str = Field(description="Items are in the order of its code points, and of their ids.")
    gap: Literal["deleted", "missing"] | None = Field(description="Why it cannot be played.")
    video: VideoBody | None = Field(description="Null where it was deleted.")


class StoredItem(ResponseBody):
    """An item as it was stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ITEM]})

    id: UUID
    video_id: UUID
    position: str
