"""The statements on duplicates, and on the proofs of what their files hold."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database
from dbcommon.jobs.queue import Job, Queue
from dbcommon.rows import AnyRow
from videovault.duplicates.schemas import MOST_SHOWN
from videovault.files.identity import EMPTY
from videovault.models import Proof, mine_id, viewing_id

QUEUE = Queue(Proof)
"""Files that are to be read."""

_IS_PROVED = (
    "coalesce(p.done_at IS NOT NULL AND v.missing_since IS NULL"
    " AND (p.file_size, p.mtime, p.inode) = (v.file_size, v.mtime, v.inode), false)"
)
_PROVED = f"LEFT JOIN proofs p ON p.id = v.id CROSS JOIN LATERAL (SELECT {_IS_PROVED} AS is_proved) i"
_PAGE = DriverText(
    text(
        f"""
    WITH found AS (
        SELECT identity, count(*) AS copies, min(file_size) AS file_size FROM videos
            WHERE identity IS NOT NULL AND identity <> :empty AND identity > :after
            GROUP BY identity HAVING count(*) > 1 ORDER BY identity LIMIT :limit + 1
    ), items AS (
        SELECT f.identity, json_build_object(
                'hash', encode(f.identity, 'hex'), 'file_size', f.file_size, 'count', f.copies,
                'proved', (
                    SELECT bool_and(i.is_proved) AND count(DISTINCT p.hash) = 1 FROM videos v {_PROVED}
                        WHERE v.identity = f.identity
                ),
                'videos', (
                    SELECT json_agg(json_build_object(
                            'id', s.id, 'file_path', split_part(s.file_path, E'\\x01', 1),
                            'missing_since', json_time(s.missing_since), 'created_at', json_time(s.created_at),
                            'proof', s.proof, 'full_hash', s.full_hash, 'detail', s.detail
                        ) ORDER BY s.created_at, s.id)
                        FROM (
                            SELECT v.id, v.file_path, v.missing_since, v.created_at, p.detail,
                                    CASE WHEN i.is_proved THEN encode(p.hash, 'hex') END AS full_hash,
                                    CASE WHEN i.is_proved THEN 'proved' WHEN p.failed_at IS NOT NULL THEN 'failed'
                                        WHEN p.id IS NOT NULL AND p.done_at IS NULL THEN 'waiting' ELSE 'none' END AS proof
                                FROM videos v {_PROVED}
                                WHERE v.identity = f.identity ORDER BY v.created_at, v.id LIMIT {MOST_SHOWN}
                        ) s
                )
            )::text AS item
            FROM (SELECT * FROM found ORDER BY identity LIMIT :limit) f
    )
    SELECT coalesce(string_agg(item, ',' ORDER BY identity), '') AS items,
            CASE WHEN (SELECT count(*) FROM found) > :limit
                THEN encode((array_agg(identity ORDER BY identity DESC))[1], 'hex') END AS identity
        FROM items
    """  # noqa: S608 - text of this file
    )
)


async def find_page(database: Database, after: str, *, limit: int) -> "asyncpg.Record":
    """A page of the JSON of `Group`, by identity, after one in hex digits."""
    (page,) = await database.fetch_records(_PAGE, empty=EMPTY, after=bytes.fromhex(after), limit=limit)
    return page


_REQUEST = text(
    """
    INSERT INTO proofs (id)
        SELECT v.id FROM videos v WHERE v.id = ANY(CAST(:ids AS uuid[])) AND v.identity IS NOT NULL ORDER BY v.id
        ON CONFLICT (id) DO UPDATE
            SET due_at = now(), attempts = 0, done_at = NULL, failed_at = NULL, hash = NULL, detail = NULL
        RETURNING id
    """
)


async def request_proofs(db: AsyncSession, ids: Collection[UUID]) -> list[UUID]:
    """Have the files of these videos read anew; returns the ids of those whose file a scan has found."""
    found = list((await db.execute(_REQUEST, {"ids": list(ids)})).scalars())
    await QUEUE.announce(db)
    return found


_FILES = text(
    f"""
    SELECT v.id, v.file_path, v.path_bytes, r.path AS root_path, r.path_bytes AS root_path_bytes,
            i.is_proved, p.hash, p.file_size, p.mtime, p.inode
        FROM videos v
        LEFT JOIN roots r ON starts_with(v.file_path, rtrim(r.path, '/') || '/')
        {_PROVED}
        WHERE v.id = ANY(CAST(:ids AS uuid[]))
    """  # noqa: S608 - text of this file
)


async def find_files(database: Database, ids: Collection[UUID]) -> Sequence[AnyRow]:
    """Where the files of videos are, whether it is proved what they hold, and their facts then."""
    return await database.fetch_all(_FILES, {"ids": list(ids)})


async def read_files(db: AsyncSession, ids: Collection[UUID]) -> Sequence[AnyRow]:
    """The same in a transaction."""
    return (await db.execute(_FILES, {"ids": list(ids)})).all()


async def settle_proof(db: AsyncSession, job: Job, values: Mapping[str, Any]) -> None:
    """Store what was read, or why nothing was; not if another process has the job by now."""
    if "hash" in values:
        await QUEUE.finish(db, job, **values)
    else:
        await QUEUE.give_up(db, job, **values)


_ADD_TAGS = text(
    """
    INSERT INTO tags (id, video_id, tag_category, tag_name)
        SELECT gen_random_uuid(), :keep, t.tag_category, t.tag_name FROM tags t
            WHERE t.video_id = ANY(CAST(:others AS uuid[]))
            AND NOT EXISTS (
                SELECT FROM tags k WHERE (k.video_id, k.folded_category, k.folded_name) = (:keep, t.folded_category, t.folded_name)
            )
            ORDER BY t.created_at, t.id
        ON CONFLICT DO NOTHING
    """
)


async def add_tags(db: AsyncSession, keep: UUID, others: Collection[UUID]) -> None:
    """Give a video the tags of others."""
    await db.execute(_ADD_TAGS, {"keep": keep, "others": list(others)})


_MINE = text(
    """
    SELECT user_id, bool_or(favourite) AS favourite,
            coalesce(
                max(rating) FILTER (WHERE video_id = :keep),
                (array_agg(rating ORDER BY last_at DESC) FILTER (WHERE rating IS NOT NULL))[1]
            ) AS rating
        FROM mine WHERE video_id = :keep OR video_id = ANY(CAST(:others AS uuid[]))
        GROUP BY user_id ORDER BY user_id
    """
)
_STORE_MINE = text(
    """
    INSERT INTO mine (id, user_id, video_id, favourite, rating) VALUES (:id, :user_id, :keep, :favourite, :rating)
        ON CONFLICT (id) DO UPDATE SET favourite = excluded.favourite, rating = excluded.rating
    """
)


async def find_mine(db: AsyncSession, keep: UUID, others: Collection[UUID]) -> Sequence[AnyRow]:
    """What each user has of these videos: a favourite if one is, the rating of the kept one, else the last."""
    return (await db.execute(_MINE, {"keep": keep, "others": list(others)})).all()


async def store_mine(db: AsyncSession, keep: UUID, mine: AnyRow) -> None:
    """Give it to the kept video."""
    parameters = {"id": mine_id(mine.user_id, keep), "keep": keep, **mine._asdict()}
    await db.execute(_STORE_MINE, parameters)


_OWNERS = text(
    """
    SELECT user_id FROM mine WHERE video_id = ANY(CAST(:others AS uuid[]))
        UNION SELECT user_id FROM watch_history WHERE video_id = ANY(CAST(:others AS uuid[])) ORDER BY user_id
    """
)


async def find_owners(db: AsyncSession, others: Collection[UUID]) -> Sequence[UUID]:
    """The users who have something of these videos, or watched them."""
    return (await db.execute(_OWNERS, {"others": list(others)})).scalars().all()


_VIEWINGS = text(
    "SELECT id, user_id FROM watch_history WHERE video_id = ANY(CAST(:others AS uuid[])) ORDER BY id"
)
# The furthest of what each user watched counts from now on: the viewings of the kept video stay as they are, so it is either
# one of them, and the copies are older, or a copy that is younger than all.
_COPY_VIEWINGS = text(
    """
    WITH viewings AS (
        SELECT * FROM watch_history WHERE video_id = :keep OR video_id = ANY(CAST(:others AS uuid[]))
    ), states AS (
        SELECT DISTINCT ON (user_id, video_id) * FROM viewings
            ORDER BY user_id, video_id, counted_at DESC, created_at DESC, id DESC
    ), furthest AS (
        SELECT DISTINCT ON (user_id) * FROM states ORDER BY user_id, completed DESC, position_seconds DESC, counted_at DESC, id
    ), youngest AS (
        SELECT user_id, max(counted_at) + interval '1 microsecond' AS counted_at FROM viewings GROUP BY user_id
    )
    INSERT INTO watch_history (
            id, user_id, video_id, session_id, is_named, position_seconds, completed, completed_before, watched_at, counted_at,
            seen_from, seen_until, created_at
        )
        SELECT c.copy_id, v.user_id, :keep, CAST(v.id AS text), v.is_named, v.position_seconds, v.completed, v.completed_before, v.watched_at,
                CASE WHEN f.id = v.id THEN y.counted_at
                    WHEN f.video_id = :keep THEN least(v.counted_at, f.counted_at - interval '1 microsecond')
                    ELSE v.counted_at END,
                v.seen_from, v.seen_until, v.created_at
            FROM unnest(CAST(:ids AS uuid[]), CAST(:copy_ids AS uuid[])) c (id, copy_id)
            JOIN viewings v ON v.id = c.id JOIN furthest f ON f.user_id = v.user_id JOIN youngest y ON y.user_id = v.user_id
            ORDER BY c.copy_id
        ON CONFLICT DO NOTHING
    """
)


async def copy_viewings(db: AsyncSession, keep: UUID, others: Collection[UUID]) -> None:
    """Give a video the viewings of others, each as a session with the id of the old one."""
    rows = (await db.execute(_VIEWINGS, {"others": list(others)})).all()
    copies = [viewing_id(row.user_id, keep, str(row.id)) for row in rows]
    parameters = {"keep": keep, "others": list(others), "ids": [row.id for row in rows], "copy_ids": copies}
    await db.execute(_COPY_VIEWINGS, parameters)
