"""The rules of watching."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from videovault.changes import repository as changes
from videovault.changes.schemas import BulkResult
from videovault.entities import repository as entities
from videovault.errors import VideoNotFound
from videovault.history import repository
from videovault.history.schemas import MarkRequest, Progress, ProgressRequest
from videovault.history.viewings import Heartbeat, Viewing, advance, read_time
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller


async def put_progress(
    db: AsyncSession, video_id: UUID, beat: ProgressRequest, *, caller: Caller
) -> Progress:
    """Take a heartbeat. Raises `VideoNotFound`."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    await entities.lock_owner(db, caller.id)
    video = await repository.read_video(db, caller.id, video_id)
    if video is None:
        raise VideoNotFound
    heartbeat = Heartbeat(
        position_seconds=int(beat.position_seconds),
        completed=beat.completed,
        watched_at=read_time(beat.watched_at, now=video.now),
    )
    at, session_id = heartbeat.watched_at, beat.session_id
    row = await repository.find_viewing(db, caller.id, video_id, session_id=session_id, at=at)
    silent = row is None and await repository.find_deleted(
        db, caller.id, video_id, session_id=session_id, at=at
    )
    if silent:
        return Progress(
            session_id=silent,
            position_seconds=0,
            completed=False,
            completed_before=video.completed_before,
            watched_at=None,
            applied=False,
        )
    before = None if row is None else _read_viewing(row)
    after = advance(before, heartbeat, duration_seconds=video.duration_seconds)
    if row is None:
        session_id = await repository.insert_viewing(
            db, caller.id, video_id, session_id=session_id, viewing=after
        )
    else:
        session_id = row.session_id
        # A viewing without a session goes on with heartbeats that change nothing else.
        if after != before or not row.is_named:
            await repository.update_viewing(db, row.id, after, at=at)
    return Progress(
        session_id=session_id,
        position_seconds=after.position_seconds,
        completed=after.completed,
        completed_before=after.completed_before or video.completed_before,
        watched_at=after.watched_at,
        applied=after != before,
    )


def _read_viewing(row: AnyRow) -> Viewing:
    return Viewing(
        position_seconds=row.position_seconds,
        completed=row.completed,
        completed_before=row.completed_before,
        watched_at=row.watched_at,
    )


async def delete_history(db: AsyncSession, *, caller: Caller) -> None:
    """Delete the caller's viewings; heartbeats of theirs are silent from now on."""
    await changes.begin(db, changes.By(actor=str(caller.id)))
    await entities.lock_owner(db, caller.id)
    await repository.delete_history(db, caller.id)


async def mark(db: AsyncSession, request: MarkRequest, *, caller: Caller) -> BulkResult:
    """Make videos watched, or as if they never had been."""
    operation_id = await changes.begin_operation(db, str(caller.id), user_id=caller.id)
    await entities.lock_owner(db, caller.id)
    ids = list(dict.fromkeys(request.video_ids))
    there = await repository.find_videos(db, ids)
    write = repository.complete if request.watched else repository.forget
    changed = await write(db, caller.id, ids)
    not_found = [video_id for video_id in ids if video_id not in there]
    return BulkResult(operation_id=operation_id, changed=len(changed), not_found=not_found)


async def list_history(
    database: Database, *, caller: Caller, cursors: CursorCodec, cursor: str | None, limit: int
) -> Response:
    """A `Page[ViewingBody]` of the caller's viewings, newest first."""
    scope = f"history {caller.id}"
    after: Sequence[Any] | None = cursors.decode(scope, cursor)
    page = await repository.find_history(database, caller.id, after, limit=limit)
    return cursors.json_page(page, scope=scope)


async def list_unfinished(
    database: Database, *, caller: Caller, cursors: CursorCodec, cursor: str | None, limit: int
) -> Response:
    """A `Page[ViewingBody]` of what the caller can go on with, newest first."""
    scope = f"unfinished {caller.id}"
    after: Sequence[Any] | None = cursors.decode(scope, cursor)
    page = await repository.find_unfinished(database, caller.id, after, limit=limit)
    return cursors.json_page(page, scope=scope)
