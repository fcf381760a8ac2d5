"""Statements that write many videos and tags at once."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, all_, any_, delete, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.rows import AnyRow
from videovault.models import RemovedTag, Tag, Tombstone, Video, true_path
from videovault.query.words import index_columns

COLUMNS = {
    "file_path": "text",
    "file_name": "text",
    "file_size": "bigint",
    "mime_type": "text",
    "duration_seconds": "integer",
    "title": "text",
    "description": "text",
    "hash": "text",
    "missing_since": "timestamptz",
}
"""The tracked columns of a video and their types, besides `metadata`, whose keys are tracked."""


@dataclass(frozen=True, kw_only=True)
class FieldWrite:
    """New values of a video's columns; `metadata` is the whole object.

    `clocks` are the hybrid times of these fields where they are not the present's, and `last_at` is the latest of them.
    """

    id: UUID
    values: Mapping[str, Any]
    clocks: Mapping[str, str] = field(default_factory=dict)
    last_at: str = ""


@dataclass(frozen=True, kw_only=True)
class TagWrite:
    """Adds `{hybrid time: [category, name]}` of one tag of a video, and the adds that are removed. `tag` is folded."""

    video_id: UUID
    tag: str
    adds: Mapping[str, Sequence[str]]
    removes: Collection[str] = ()


_LOCKED = select(
    Video.id,
    true_path(Video.file_path.expression).label("file_path"),
    Video.file_path.label("stored_path"),
    *(getattr(Video, column) for column in COLUMNS if column != "file_path"),
    Video.metadata_.label("metadata"),
    Video.clocks,
    Video.last_at,
)


def _ids(ids: Iterable[UUID]) -> Any:
    return any_(literal(list(ids), ARRAY(Uuid())))


def _texts(values: Iterable[str]) -> Any:
    return any_(literal(list(values), ARRAY(Text())))


async def lock_videos(db: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, AnyRow]:
    """The videos of these ids that exist, locked against changes by others."""
    statement = _LOCKED.where(Video.id == _ids(ids)).order_by(Video.id).with_for_update(key_share=True)
    return {row.id: row for row in await db.execute(statement)}


async def lock_paths(db: AsyncSession, paths: Iterable[str]) -> dict[str, AnyRow]:
    """The videos of these paths, locked; by path."""
    statement = _LOCKED.where(Video.file_path == _texts(paths)).order_by(Video.id)
    return {row.stored_path: row for row in await db.execute(statement.with_for_update(key_share=True))}


async def find_taken(db: AsyncSession, paths: Iterable[str], *, ids: Iterable[UUID]) -> set[str]:
    """Those of the paths that videos other than `ids` have."""
    statement = select(Video.file_path).where(
        Video.file_path == _texts(paths), Video.id != all_(literal(list(ids), ARRAY(Uuid())))
    )
    return set((await db.execute(statement)).scalars())


_DISPLACE = text(
    "UPDATE videos SET file_path = file_path || E'\\x01' || 'displaced' WHERE id = ANY(CAST(:ids AS uuid[]))"
)


async def displace(db: AsyncSession, ids: Iterable[UUID]) -> None:
    """Free the paths of videos for the rest of the transaction, in which they get others. It is not logged."""
    await db.execute(_DISPLACE, {"ids": list(ids)})


_SETS = ", ".join(
    f"{column} = CASE WHEN w.given ? '{column}' THEN CAST(w.given ->> '{column}' AS {kind}) ELSE v.{column} END"
    for column, kind in COLUMNS.items()
)
_NEW = {
    "id": "uuid",
    **COLUMNS,
    "metadata": "jsonb",
    "clocks": "jsonb",
    "last_at": "text",
    "words": "text[]",
    "search_text": "text",
    "search_starts": "integer[]",
    "name_key": "text",
    "random_key": "bigint",
    "indexed_at": "timestamptz",
}
_INSERT = text(
    f"INSERT INTO videos ({', '.join(_NEW)}) SELECT {', '.join(f'r.{column}' for column in _NEW)}"  # noqa: S608
    f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r ({', '.join(f'{column} {kind}' for column, kind in _NEW.items())})"
    " ON CONFLICT (file_path) DO NOTHING RETURNING id, file_path"
)


async def insert_videos(db: AsyncSession, rows: Iterable[Mapping[str, Any]]) -> dict[str, UUID]:
    """Store those videos whose path is free, with their words; returns their ids by path.

    Each row has its `id` and the tracked columns; `clocks` and `last_at` where its times are not the present's.
    """
    new = [
        {
            "clocks": {},
            "last_at": "",
            **row,
            **index_columns(
                row["id"],
                title=row["title"],
                file_name=row["file_name"],
                file_path=row["file_path"],
                description=row["description"],
            ),
        }
        for row in rows
    ]
    if not new:
        return {}
    found = await db.execute(_INSERT, {"rows": json.dumps(new, default=str)})
    return {row.file_path: row.id for row in found}


_WRITE = text(
    f"UPDATE videos v SET {_SETS}, metadata = coalesce(w.given -> 'metadata', v.metadata),"  # noqa: S608 - names of this file
    " clocks = v.clocks || w.clocks, last_at = greatest(v.last_at, w.last_at)"
    ' FROM jsonb_to_recordset(CAST(:writes AS jsonb)) AS w (id uuid, "given" jsonb, clocks jsonb, last_at text)'
    " WHERE v.id = w.id"
)


async def write_fields(db: AsyncSession, writes: Iterable[FieldWrite]) -> None:
    """Write values into videos that are locked. Raises IntegrityError when another video has a path of them."""
    rows = [
        {
            "id": str(write.id),
            "given": dict(write.values),
            "clocks": dict(write.clocks),
            "last_at": write.last_at,
        }
        for write in writes
    ]
    if rows:
        await db.execute(_WRITE, {"writes": json.dumps(rows)})


_MERGE_TAGS = text(
    """
    WITH w AS (
        SELECT * FROM jsonb_to_recordset(CAST(:writes AS jsonb)) AS w (video_id uuid, tag text, adds jsonb, removes jsonb)
    ), merged AS (
        SELECT w.video_id, t.id, t.dots AS before, w.adds,
                (SELECT jsonb_object_agg(d.at, d.spelling)
                    FROM (SELECT * FROM jsonb_each(t.dots) UNION SELECT * FROM jsonb_each(w.adds)) d (at, spelling)
                    WHERE NOT w.removes ? d.at
                    AND NOT EXISTS (
                        SELECT FROM removed_tags r WHERE r.video_id = w.video_id AND r.tag = w.tag AND r.at = d.at
                    )) AS dots
            FROM w
            LEFT JOIN tags t ON t.video_id = w.video_id AND t.folded_category || ':' || t.folded_name = w.tag
    ), spelled AS (
        SELECT m.*, m.dots -> (SELECT max(key) FROM jsonb_object_keys(m.dots) key) AS spelling FROM merged m
    ), remembered AS (
        INSERT INTO removed_tags (video_id, tag, at)
            SELECT w.video_id, w.tag, r.at FROM w CROSS JOIN LATERAL jsonb_array_elements_text(w.removes) AS r (at)
            ON CONFLICT DO NOTHING
    ), deleted AS (
        DELETE FROM tags t USING spelled s WHERE t.id = s.id AND s.dots IS NULL
    ), changed AS (
        UPDATE tags t SET dots = s.dots, tag_category = s.spelling ->> 0, tag_name = s.spelling ->> 1
            FROM spelled s WHERE t.id = s.id AND s.dots <> s.before
    )
    INSERT INTO tags (id, video_id, tag_category, tag_name, dots)
        SELECT gen_random_uuid(), s.video_id, s.spelling ->> 0, s.spelling ->> 1, s.dots
            FROM spelled s WHERE s.id IS NULL AND s.dots IS NOT NULL
    """
)


async def merge_tags(db: AsyncSession, writes: Iterable[TagWrite]) -> None:
    """Apply adds and removals of tags, one write for each tag of a video. The videos are locked."""
    rows = [
        {
            "video_id": str(write.video_id),
            "tag": write.tag,
            "adds": {at: list(spelling) for at, spelling in write.adds.items()},
            "removes": list(write.removes),
        }
        for write in writes
    ]
    if rows:
        await db.execute(_MERGE_TAGS, {"writes": json.dumps(rows)})


async def read_tags(db: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, dict[str, dict[str, list[str]]]]:
    """The adds of the tags of videos, by video and folded tag."""
    folded_tag = Tag.folded_category + literal(":", Text()) + Tag.folded_name
    statement = select(Tag.video_id, folded_tag, Tag.dots).where(Tag.video_id == _ids(ids))
    found: dict[UUID, dict[str, dict[str, list[str]]]] = {}
    for video_id, tag, dots in await db.execute(statement):
        found.setdefault(video_id, {})[tag] = dots
    return found


_NEXT_TAG_TIMES = text(
    "SELECT id, next_time(last_time(id, last_at)) AS next_at FROM videos WHERE id = ANY(CAST(:ids AS uuid[]))"
)


async def next_tag_times(db: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, str]:
    """For each of the videos that there are, a time later than all that was ever written of it and its tags."""
    return {row.id: row.next_at for row in await db.execute(_NEXT_TAG_TIMES, {"ids": list(ids)})}


async def delete_videos(db: AsyncSession, ids: Iterable[UUID]) -> list[UUID]:
    """Delete videos with their tags; returns the ids of those that there were."""
    locked = select(Video.id).where(Video.id == _ids(ids)).order_by(Video.id).with_for_update()
    found = list((await db.execute(locked)).scalars())
    await db.execute(delete(Video).where(Video.id == _ids(found)))
    return found


_VIDEO_COLUMNS = [
    column.name for column in Video.__table__.columns if column.name != "last_at" and column.computed is None
]
_TAG_COLUMNS = [column.name for column in Tag.__table__.columns if column.computed is None]
_FIND_DELETED = select(Tombstone.id, Tombstone.at, Tombstone.last_at, Tombstone.record, Tombstone.tags)
_PUT_BACK = text(
    f"INSERT INTO videos ({', '.join(_VIDEO_COLUMNS)}, last_at)"  # noqa: S608 - names of the models
    f" SELECT {', '.join(f'r.{column}' for column in _VIDEO_COLUMNS)}, r.last_at"
    " FROM tombstones t CROSS JOIN LATERAL next_time(greatest(t.at, t.last_at)) AS put_at"
    " CROSS JOIN LATERAL jsonb_populate_record(NULL::videos, t.record || jsonb_build_object("
    "'last_at', put_at, 'clocks', t.record -> 'clocks' || jsonb_build_object('+', put_at))) r"
    " WHERE t.id = ANY(CAST(:ids AS uuid[])) ORDER BY t.id ON CONFLICT (file_path) DO NOTHING RETURNING id"
)
_PUT_BACK_TAGS = text(
    f"INSERT INTO tags ({', '.join(_TAG_COLUMNS)}) SELECT {', '.join(f'r.{column}' for column in _TAG_COLUMNS)}"  # noqa: S608
    " FROM tombstones t CROSS JOIN LATERAL jsonb_populate_recordset(NULL::tags, t.tags) r"
    " WHERE t.id = ANY(CAST(:ids AS uuid[]))"
)


async def lock_deleted(db: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, AnyRow]:
    """The deleted videos of these ids, locked: `at` of the deletion, `last_at` of what was before, and the `record`."""
    statement = _FIND_DELETED.where(Tombstone.id == _ids(ids)).order_by(Tombstone.id).with_for_update()
    return {row.id: row for row in await db.execute(statement)}


async def put_back(db: AsyncSession, ids: Iterable[UUID]) -> set[UUID]:
    """Put deleted videos back with their ids and tags; returns those whose path is still free."""
    put = set((await db.execute(_PUT_BACK, {"ids": list(ids)})).scalars())
    await db.execute(_PUT_BACK_TAGS, {"ids": list(put)})
    await db.execute(delete(Tombstone).where(Tombstone.id == _ids(put)))
    return put


async def read_removed_tags(db: AsyncSession, ids: Iterable[UUID]) -> Sequence[AnyRow]:
    """`video_id`, `tag` and `at` of the adds that were removed from these videos."""
    statement = select(RemovedTag.video_id, RemovedTag.tag, RemovedTag.at)
    return (await db.execute(statement.where(RemovedTag.video_id == _ids(ids)))).all()
