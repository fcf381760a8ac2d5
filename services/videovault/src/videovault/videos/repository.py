"""The statements on videos and their tags."""

import operator
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    bindparam,
    collate,
    delete,
    exists,
    func,
    not_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from videovault.models import UNKNOWN_DURATION, Tag, Video, folded, true_path
from videovault.query.words import index_columns
from videovault.videos.schemas import NewTag, NewVideo, VideoQuery

SORT_KEYS: dict[str, ColumnElement[Any]] = {
    "created_at": Video.created_at.expression,
    "file_name": collate(Video.file_name, "C"),
    "duration_seconds": func.coalesce(Video.duration_seconds, UNKNOWN_DURATION),
    "file_size": Video.file_size.expression,
}
"""Each is the first column of an index whose second is the id."""

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

_VIDEO_AS_JSON = json_item(
    id=Video.id,
    file_path=_PATH,
    file_name=Video.file_name,
    file_size=Video.file_size,
    mime_type=Video.mime_type,
    duration_seconds=Video.duration_seconds,
    title=Video.title,
    description=Video.description,
    metadata=Video.metadata_,
    hash=Video.hash,
    tags=_TAGS,
    missing_since=json_timestamp(Video.missing_since),
    created_at=json_timestamp(Video.created_at),
    updated_at=json_timestamp(Video.updated_at),
)

_VIDEO_BY_ID = select(*_COLUMNS).where(Video.id == bindparam("id"))


async def find_video(database: Database, video_id: UUID) -> AnyRow | None:
    """The video with its tags."""
    return await database.fetch_one(_VIDEO_BY_ID, {"id": video_id})


async def read_inserted_video(db: AsyncSession, video_id: UUID) -> AnyRow:
    """The video with its tags, in the transaction that inserted it."""
    return (await db.execute(_VIDEO_BY_ID, {"id": video_id})).one()


async def find_page(database: Database, query: VideoQuery, after: Sequence[Any] | None) -> "asyncpg.Record":
    """A page of the JSON of `VideoBody`, from the video after the position `after` on."""
    parameters = page_parameters(query, after)
    exclusions = tuple(criterion.startswith("-") for criterion in query.tag)
    statement = _prepare_page(query.sort, exclusions, frozenset(parameters))
    return await database.fetch_page(statement, **parameters)


def page_parameters(query: VideoQuery, after: Sequence[Any] | None) -> dict[str, Any]:
    """The parameters of a page's statement, without those of filters that are not set."""
    filters = {name: value for name in _COMPARISONS if (value := getattr(query, name)) is not None}
    tags: dict[str, str] = {}
    for number, criterion in enumerate(query.tag):
        category, _, name = criterion.removeprefix("-").partition(":")
        tags |= {f"category_{number}": category.strip(), f"name_{number}": name.strip()}
    last = {} if after is None else {"last_key": after[0], "last_id": after[1]}
    return {**filters, **tags, **last, "limit": query.limit}


# Bounded, since callers choose the combination.
@lru_cache(maxsize=256)
def _prepare_page(sort: str, exclusions: tuple[bool, ...], names: frozenset[str]) -> DriverStatement:
    return prepare_page(select_page(sort, exclusions, names))


def select_page(sort: str, exclusions: Sequence[bool], names: Collection[str]) -> Select[Any]:
    """The sorted rows of a list, after the position of its `page_parameters` if they have one.

    `names`: the names of those parameters. `exclusions`: for each tag of the query, whether videos with it are left out.
    """
    key, position = SORT_KEYS[sort.removeprefix("-")], Video.id.expression
    descending = sort.startswith("-")
    conditions = [
        compare(column, bindparam(name, type_=column.type))
        for name, (compare, column) in _COMPARISONS.items()
        if name in names
    ]
    conditions += [_has_tag(number, is_excluded=is_excluded) for number, is_excluded in enumerate(exclusions)]
    statement = select(_VIDEO_AS_JSON, key.label("sort_key"), Video.id).where(*conditions)
    if "last_id" in names:
        # A comparison of rows, which the index answers; it does not answer "a > x OR (a = x AND id > y)".
        current = tuple_(key, position)
        last = tuple_(bindparam("last_key", type_=key.type), bindparam("last_id", type_=position.type))
        statement = statement.where(current < last if descending else current > last)
    order = (key.desc(), position.desc()) if descending else (key, position)
    return statement.order_by(*order)


_COMPARISONS: dict[str, tuple[Callable[[Any, Any], ColumnElement[bool]], Any]] = {
    "mime_type": (operator.eq, Video.mime_type),
    "min_duration": (operator.ge, Video.duration_seconds),
    "max_duration": (operator.le, Video.duration_seconds),
    "min_size": (operator.ge, Video.file_size),
    "max_size": (operator.le, Video.file_size),
    "created_after": (operator.gt, Video.created_at),
}


def _has_tag(number: int, *, is_excluded: bool) -> ColumnElement[bool]:
    condition = exists().where(
        Tag.video_id == Video.id,
        Tag.folded_category == folded(bindparam(f"category_{number}", type_=Text())),
        Tag.folded_name == folded(bindparam(f"name_{number}", type_=Text())),
    )
    return not_(condition) if is_excluded else condition


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
    """Delete the video with its tags and its watch history. False when there is none."""
    statement = delete(Video).where(Video.id == video_id).returning(Video.id)
    return (await db.execute(statement)).scalar_one_or_none() is not None
