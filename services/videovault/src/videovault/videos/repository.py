"""The statements on videos and their tags."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    bindparam,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_object, json_timestamp
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from videovault.models import Tag, Video, true_path
from videovault.query.words import index_columns
from videovault.videos.schemas import NewTag, NewVideo

# A subquery for each row and not a join, so that only the tags of the page's videos are read.
_TAGS = (
    select(
        func.coalesce(
            func.jsonb_agg(
                func.jsonb_build_object(
                    "tag_name", Tag.tag_name, "tag_category", Tag.tag_category, type_=JSONB
                ),
                type_=JSONB,
            ).aggregate_order_by(Tag.folded_category, Tag.folded_name),
            func.jsonb_build_array(type_=JSONB),
            type_=JSONB,
        )
    )
    .where(Tag.video_id == Video.id)
    .correlate(Video)
    .scalar_subquery()
)

_PATH = true_path(Video.file_path.expression)

_COLUMNS = (
    Video.id,
    _PATH.label("file_path"),
    Video.file_name,
    Video.file_size,
    Video.mime_type,
    Video.duration_seconds,
    Video.title,
    Video.description,
    Video.metadata_.label("metadata"),
    Video.hash,
    _TAGS.label("tags"),
    Video.missing_since,
    Video.created_at,
    Video.updated_at,
)

_FIELDS: dict[str, Any] = {
    "id": Video.id,
    "file_path": _PATH,
    "file_name": Video.file_name,
    "file_size": Video.file_size,
    "mime_type": Video.mime_type,
    "duration_seconds": Video.duration_seconds,
    "title": Video.title,
    "description": Video.description,
    "metadata": Video.metadata_,
    "hash": Video.hash,
    "tags": _TAGS,
    "missing_since": json_timestamp(Video.missing_since),
    "created_at": json_timestamp(Video.created_at),
    "updated_at": json_timestamp(Video.updated_at),
}
VIDEO_OBJECT = json_object(**_FIELDS)
"""The JSON of `VideoBody`, as a part of another item."""

VIDEO_AS_JSON = json_item(**_FIELDS)

_VIDEO_BY_ID = select(*_COLUMNS).where(Video.id == bindparam("id"))


async def find_video(database: Database, video_id: UUID) -> AnyRow | None:
    """The video with its tags."""
    return await database.fetch_one(_VIDEO_BY_ID, {"id": video_id})


async def read_inserted_video(db: AsyncSession, video_id: UUID) -> AnyRow:
    """The video with its tags, in the transaction that inserted it."""
    return (await db.execute(_VIDEO_BY_ID, {"id": video_id})).one()


async def insert_video(db: AsyncSession, video: NewVideo) -> UUID | None:
    """Store the video and return its id; None when the path is taken, also by a concurrent transaction."""
    values = video.model_dump(exclude={"tags", "metadata"})
    video_id = new_id()
    words = index_columns(
        video_id,
        title=video.title,
        file_name=video.file_name,
        file_path=video.file_path,
        description=video.description,
    )
    statement = (
        insert(Video)
        .values(id=video_id, **values, **words, metadata_=video.metadata or {})
        .on_conflict_do_nothing(index_elements=[Video.file_path])
        .returning(Video.id)
    )
    return (await db.execute(statement)).scalar_one_or_none()


async def insert_tags(db: AsyncSession, video_id: UUID, *, tags: Sequence[NewTag]) -> None:
    """Add tags to the video. Another spelling of a tag that it has is left out."""
    rows = [{"video_id": video_id, **tag.model_dump()} for tag in tags]
    await db.execute(insert(Tag).values(rows).on_conflict_do_nothing())


async def delete_video(db: AsyncSession, video_id: UUID) -> bool:
    """Delete the video with its tags. False when there is none."""
    statement = delete(Video).where(Video.id == video_id).returning(Video.id)
    return (await db.execute(statement)).scalar_one_or_none() is not None
