"""The statements on viewings."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Integer, bindparam, exists, literal_column, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from videovault.history.viewings import GAP, LISTED_SECONDS, Viewing
from videovault.models import Video, WatchHistory, viewing_id
from videovault.videos.repository import VIDEO_OBJECT

_VIDEO = text(
    """
    SELECT v.duration_seconds, clock_timestamp() AS now, (
            SELECT coalesce(bool_or(h.completed_before), false) FROM watch_history h
                WHERE h.user_id = :user_id AND h.video_id = v.id
        ) AS completed_before
        FROM videos v WHERE v.id = :video_id
    """
)


async def read_video(db: AsyncSession, user_id: UUID, video_id: UUID) -> AnyRow | None:
    """`duration_seconds` of a video, whether the user completed it (`completed_before`), and the time that it is (`now`)."""
    return (await db.execute(_VIDEO, {"user_id": user_id, "video_id": video_id})).one_or_none()


_NEAR = "NOT h.is_named AND h.seen_from <= :late AND h.seen_until >= :early"
_ORDER = "ORDER BY h.counted_at DESC, h.created_at DESC, h.id DESC LIMIT 1"
_FIND = "SELECT h.* FROM watch_history h WHERE h.user_id = :user_id AND h.video_id = :video_id"
_FIND_NAMED = text(f"{_FIND} AND h.session_id = :session_id")
_FIND_NEAR = text(f"{_FIND} AND {_NEAR} {_ORDER}")
_FIND_DELETED = """
    SELECT h.session_id FROM deleted_rows d CROSS JOIN LATERAL jsonb_populate_record(NULL::watch_history, d.record) h
        WHERE d.entity = 'viewing' AND d.user_id = :user_id AND d.record ->> 'video_id' = CAST(:video_id AS text)
"""
_FIND_DELETED_NAMED = text(f"{_FIND_DELETED} AND h.session_id = :session_id LIMIT 1")
_FIND_DELETED_NEAR = text(
    f"""
    UPDATE deleted_rows d
        SET record = d.record || jsonb_build_object('seen_until', greatest(near.seen_until, :at))
        FROM (
            SELECT d.id, h.session_id, h.seen_until
                FROM deleted_rows d CROSS JOIN LATERAL jsonb_populate_record(NULL::watch_history, d.record) h
                WHERE d.entity = 'viewing' AND d.user_id = :user_id AND d.record ->> 'video_id' = CAST(:video_id AS text)
                    AND {_NEAR}
                {_ORDER}
        ) near
        WHERE d.entity = 'viewing' AND d.id = near.id
        RETURNING near.session_id
    """  # noqa: S608 - texts of this file
)


def _near(at: datetime) -> dict[str, datetime]:
    return {"early": at - GAP, "late": at + GAP}


async def find_viewing(
    db: AsyncSession, user_id: UUID, video_id: UUID, *, session_id: str | None, at: datetime
) -> AnyRow | None:
    """The viewing of a session, or the youngest without one that a heartbeat of that time belongs to."""
    parameters = {"user_id": user_id, "video_id": video_id}
    if session_id is None:
        return (await db.execute(_FIND_NEAR, parameters | _near(at))).one_or_none()
    return (await db.execute(_FIND_NAMED, parameters | {"session_id": session_id})).one_or_none()


async def find_deleted(
    db: AsyncSession, user_id: UUID, video_id: UUID, *, session_id: str | None, at: datetime
) -> str | None:
    """The session of the same among the viewings that the user deleted. One without a session goes on with its heartbeats."""
    parameters = {"user_id": user_id, "video_id": str(video_id)}
    if session_id is None:
        found = await db.execute(_FIND_DELETED_NEAR, parameters | _near(at) | {"at": at})
    else:
        found = await db.execute(_FIND_DELETED_NAMED, parameters | {"session_id": session_id})
    return found.scalar_one_or_none()


_INSERT = text(
    """
    INSERT INTO watch_history (
        id, user_id, video_id, session_id, is_named, position_seconds, completed, completed_before, watched_at, seen_from, seen_until
    ) VALUES (
        :id, :user_id, :video_id, :session_id, :is_named, :position_seconds, :completed, :completed_before, :watched_at, :watched_at,
        :watched_at
    )
    """
)
_UPDATE = text(
    """
    UPDATE watch_history h
        SET position_seconds = :position_seconds, completed = :completed, completed_before = :completed_before,
            watched_at = :watched_at, seen_from = least(h.seen_from, :at), seen_until = greatest(h.seen_until, :at)
        WHERE h.id = :id
    """
)


async def insert_viewing(
    db: AsyncSession, user_id: UUID, video_id: UUID, *, session_id: str | None, viewing: Viewing
) -> str:
    """Begin a viewing; returns its session, which has a name of its own where the player gave none."""
    session = session_id or str(new_id())
    row = {
        "id": viewing_id(user_id, video_id, session),
        "user_id": user_id,
        "video_id": video_id,
        "session_id": session,
        "is_named": session_id is not None,
    }
    await db.execute(_INSERT, row | vars(viewing))
    return session


async def update_viewing(db: AsyncSession, row_id: UUID, viewing: Viewing, *, at: datetime) -> None:
    """Write how far a viewing is; `at`: the time of the heartbeat that says so."""
    await db.execute(_UPDATE, vars(viewing) | {"id": row_id, "at": at})


_DELETE = text("DELETE FROM watch_history WHERE user_id = :user_id")


async def delete_history(db: AsyncSession, user_id: UUID) -> None:
    """Delete all viewings of a user."""
    await db.execute(_DELETE, {"user_id": user_id})


_FIND_VIDEOS = text("SELECT id FROM videos WHERE id = ANY(CAST(:ids AS uuid[]))")
_STATES = """
    SELECT DISTINCT ON (h.video_id) h.video_id, h.completed
        FROM watch_history h
        WHERE h.user_id = :user_id AND h.video_id = ANY(CAST(:ids AS uuid[]))
        ORDER BY h.video_id, h.counted_at DESC, h.created_at DESC, h.id DESC
"""
_FIND_UNFINISHED = text(
    f"""
    SELECT v.id FROM videos v LEFT JOIN ({_STATES}) s ON s.video_id = v.id
        WHERE v.id = ANY(CAST(:ids AS uuid[])) AND s.completed IS NOT TRUE
    """  # noqa: S608 - texts of this file
)
_INSERT_MARKS = text(
    """
    INSERT INTO watch_history (id, user_id, video_id, session_id, completed, completed_before)
        SELECT r.id, :user_id, r.video_id, r.session_id, true, true
            FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, video_id uuid, session_id text) ORDER BY r.id
    """
)
_FORGET = text(
    """
    UPDATE watch_history h SET position_seconds = 0, completed = false, completed_before = false
        FROM videos v
        WHERE v.id = h.video_id AND h.user_id = :user_id AND h.video_id = ANY(CAST(:ids AS uuid[]))
            AND (h.position_seconds > 0 OR h.completed OR h.completed_before)
        RETURNING h.video_id
    """
)


async def find_videos(db: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that are of videos."""
    return set((await db.execute(_FIND_VIDEOS, {"ids": list(ids)})).scalars())


async def complete(db: AsyncSession, user_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Note of videos that the user watched them now, unless that is what counts; returns those for which it was not."""
    parameters = {"user_id": user_id, "ids": list(ids)}
    found = set((await db.execute(_FIND_UNFINISHED, parameters)).scalars())
    rows = []
    for video_id in found:
        session_id = str(new_id())
        row_id = viewing_id(user_id, video_id, session_id)
        rows.append({"id": str(row_id), "video_id": str(video_id), "session_id": session_id})
    await db.execute(_INSERT_MARKS, {"user_id": user_id, "rows": json.dumps(rows)})
    return found


async def forget(db: AsyncSession, user_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Make viewings of videos as if they had not begun; returns the videos of those."""
    return set((await db.execute(_FORGET, {"user_id": user_id, "ids": list(ids)})).scalars())


_YOUNGER = aliased(WatchHistory)
_POSITION = tuple_(WatchHistory.watched_at, WatchHistory.id)
_LAST = tuple_(
    bindparam("last_watched_at", type_=WatchHistory.watched_at.type),
    bindparam("last_id", type_=WatchHistory.id.type),
)
_CAME_SO_FAR = WatchHistory.position_seconds >= literal_column(str(LISTED_SECONDS), Integer())
_IS_LISTED = or_(_CAME_SO_FAR, WatchHistory.completed, WatchHistory.completed_before)


def _age(viewing: Any) -> Any:
    return tuple_(viewing.counted_at, viewing.created_at, viewing.id)


_IS_YOUNGEST = ~exists().where(
    _YOUNGER.user_id == WatchHistory.user_id,
    _YOUNGER.video_id == WatchHistory.video_id,
    _age(_YOUNGER) > _age(WatchHistory),
)
_ITEM = json_item(
    video_id=WatchHistory.video_id,
    session_id=WatchHistory.session_id,
    position_seconds=WatchHistory.position_seconds,
    completed=WatchHistory.completed,
    completed_before=WatchHistory.completed_before,
    watched_at=json_timestamp(WatchHistory.watched_at),
    video=VIDEO_OBJECT,
)
_VIEWINGS = (
    select(_ITEM, WatchHistory.watched_at, WatchHistory.id)
    .join_from(WatchHistory, Video, Video.id == WatchHistory.video_id)
    .where(WatchHistory.user_id == bindparam("user_id"))
    .order_by(WatchHistory.watched_at.desc(), WatchHistory.id.desc())
)
_HISTORY = _VIEWINGS.where(_IS_LISTED)
_UNFINISHED = _VIEWINGS.where(_CAME_SO_FAR, ~WatchHistory.completed, _IS_YOUNGEST)
_HISTORY_PAGES, _UNFINISHED_PAGES = (
    (prepare_page(rows), prepare_page(rows.where(_POSITION < _LAST))) for rows in (_HISTORY, _UNFINISHED)
)


async def find_history(
    database: Database, user_id: UUID, after: Sequence[Any] | None, *, limit: int
) -> "asyncpg.Record":
    """A page of the JSON of `ViewingBody`: a user's viewings that came so far that they are listed, newest first."""
    return await _find_page(database, _HISTORY_PAGES, user_id, after, limit=limit)


async def find_unfinished(
    database: Database, user_id: UUID, after: Sequence[Any] | None, *, limit: int
) -> "asyncpg.Record":
    """A page of the same: of each video the viewing that counts, if it is not completed."""
    return await _find_page(database, _UNFINISHED_PAGES, user_id, after, limit=limit)


async def _find_page(
    database: Database,
    pages: tuple[DriverStatement, DriverStatement],
    user_id: UUID,
    after: Sequence[Any] | None,
    *,
    limit: int,
) -> "asyncpg.Record":
    first, following = pages
    if after is None:
        return await database.fetch_page(first, user_id=user_id, limit=limit)
    last = {"last_watched_at": after[0], "last_id": after[1]}
    return await database.fetch_page(following, user_id=user_id, limit=limit, **last)
