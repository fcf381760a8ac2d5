"""Every SQL statement about videos."""

import operator
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, delete, exists, func, literal, not_, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from videovault.models import UNKNOWN_DURATION, Tag, Video, folded
from videovault.videos.schemas import NewTag, NewVideo, VideoQuery

SORT_KEYS: dict[str, ColumnElement[Any]] = {
    "created_at": Video.created_at.expression,
    "file_name": Video.file_name.expression,
    "duration_seconds": func.coalesce(Video.duration_seconds, UNKNOWN_DURATION),
    "file_size": Video.file_size.expression,
}
"""Each is the first column of an index whose second is the id."""

# A subquery beside each row of the page, and not a join: the page is cut first, and the tags come in the same round trip.
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

_COLUMNS = (
    Video.id,
    Video.file_path,
    Video.file_name,
    Video.file_size,
    Video.mime_type,
    Video.duration_seconds,
    Video.metadata_.label("metadata"),
    Video.hash,
    _TAGS.label("tags"),
    Video.created_at,
    Video.updated_at,
)

VIDEO_BY_ID = select(*_COLUMNS).where(Video.id == bindparam("id"))
"""One video with its tags."""


def select_page(query: VideoQuery, after: Sequence[Any] | None) -> Select[Any]:
    """The rows of a page and one more, which tells that there is another page.

    `after` holds `sort_key` and `id` of the last row of the page before.
    """
    key, position = SORT_KEYS[query.sort.removeprefix("-")], Video.id.expression
    descending = query.sort.startswith("-")
    statement = select(*_COLUMNS, key.label("sort_key")).where(*_conditions(query))
    if after is not None:
        # One comparison of rows, which the index answers by itself; "a > x OR (a = x AND id > y)" it would not.
        here = tuple_(key, position)
        last = tuple_(literal(after[0], key.type), literal(after[1], position.type))
        statement = statement.where(here < last if descending else here > last)
    order = (key.desc(), position.desc()) if descending else (key, position)
    return statement.order_by(*order).limit(query.limit + 1)


def _conditions(query: VideoQuery) -> list[ColumnElement[bool]]:
    bounds: list[tuple[Callable[[Any, Any], ColumnElement[bool]], Any, Any]] = [
        (operator.eq, Video.mime_type, query.mime_type),
        (operator.ge, Video.duration_seconds, query.min_duration),
        (operator.le, Video.duration_seconds, query.max_duration),
        (operator.ge, Video.file_size, query.min_size),
        (operator.le, Video.file_size, query.max_size),
        (operator.gt, Video.created_at, query.created_after),
    ]
    given = [compare(column, value) for compare, column, value in bounds if value is not None]
    return given + [_has_tag(criterion) for criterion in query.tag]


def _has_tag(criterion: str) -> ColumnElement[bool]:
    category, _, name = criterion.removeprefix("-").partition(":")
    condition = exists().where(
        Tag.video_id == Video.id,
        Tag.folded_category == folded(literal(category.strip())),
        Tag.folded_name == folded(literal(name.strip())),
    )
    return not_(condition) if criterion.startswith("-") else condition


async def insert_video(session: AsyncSession, video: NewVideo) -> UUID | None:
    """The new row's id; None when the path is taken, also by somebody who takes it at this moment."""
    values = video.model_dump(exclude={"tags", "metadata"})
    statement = (
        insert(Video)
        .values(**values, metadata_=video.metadata or {})
        .on_conflict_do_nothing(index_elements=[Video.file_path])
        .returning(Video.id)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def insert_tags(session: AsyncSession, video_id: UUID, *, tags: Sequence[NewTag]) -> None:
    """Put the tags on the video. A spelling of one that it has already is left out."""
    rows = [{"video_id": video_id, **tag.model_dump()} for tag in tags]
    await session.execute(insert(Tag).values(rows).on_conflict_do_nothing())


async def delete_video(session: AsyncSession, video_id: UUID) -> bool:
    """Delete the record with its tags and history; whether it was there."""
    statement = delete(Video).where(Video.id == video_id).returning(Video.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None
