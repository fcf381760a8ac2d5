"""Bodies and parameters of the routes that change tags."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from videovault.changes.schemas import BulkResult, OperationBody
from videovault.tag_names.schemas import NamedTag
from videovault.videos.schemas import MAX_TAGS, MOST_VIDEOS, Category, NewTag, TagWord
from webcommon.api.schemas import RequestBody

MOST_TAGS = 20
"""Tags that an act adds, and that it removes."""

_TAG: dict[str, Any] = {"tag_name": "evening", "tag_category": "time of day"}


class NewTags(RequestBody):
    """Tags to put on a video."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tags": [_TAG]}]})

    tags: list[NewTag] = Field(
        min_length=1,
        max_length=MAX_TAGS,
        description="Spellings that differ only in case or Unicode form are one tag; the one that the video has is kept.",
    )


class OldTags(BaseModel):
    """Tags to take off a video."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: list[NamedTag] = Field(
        min_length=1,
        max_length=MAX_TAGS,
        description="category:name, in any case.",
        examples=[["place:quay"]],
    )


class BulkTags(RequestBody):
    """Tags to put on videos and to take off; all their other tags stay."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"video_ids": ["019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"], "add": [_TAG], "remove": []}]
        }
    )

    video_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_VIDEOS)]
    add: list[NewTag] = Field([], max_length=MOST_TAGS)
    remove: list[NewTag] = Field([], max_length=MOST_TAGS, description="What is in `add`, too, stays.")


class BulkTagResult(BulkResult):
    """What an act on the tags of videos did, which can be undone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operation_id": "019a2b3c-5a10-7c02-9f3e-6b1a7c8d9e0f",
                    "changed": 12,
                    "not_found": [],
                    "too_many_tags": [],
                }
            ]
        }
    )

    changed: int = Field(description="Videos whose tags it changed.")
    too_many_tags: list[UUID] = Field(
        description=f"Videos that would have more than {MAX_TAGS} tags. They stay as they were, without any of the changes."
    )


class Renaming(RequestBody):
    """Another name for a tag, wherever it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"tag_category": "time of day", "from": "evening", "to": "Evening light"}]
        }
    )

    tag_category: Category
    old_name: TagWord = Field(alias="from")
    new_name: TagWord = Field(alias="to")


class RenamingResult(OperationBody):
    """What a renaming did, which can be undone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"operation_id": "019a2b3c-5a10-7c02-9f3e-6b1a7c8d9e0f", "renamed": 120, "merged": 8}
            ]
        }
    )

    renamed: int = Field(description="Videos whose tag is spelt as `to` now.")
    merged: int = Field(description="Videos that had both, and keep the one that `to` names.")
