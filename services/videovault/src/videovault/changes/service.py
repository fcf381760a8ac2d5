"""Reading the log of changes, and keeping it short."""

from uuid import UUID

from fastapi import Response

from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_in_transactions
from videovault.changes import repository
from videovault.errors import VideoNotFound
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Caller

PURGE_BATCH = 10_000
"""Rows of the log that are deleted in one transaction."""


async def list_changes(
    database: Database,
    video_id: UUID,
    *,
    caller: Caller,
    cursors: CursorCodec,
    cursor: str | None,
    limit: int,
) -> Response:
    """A `Page[ChangeBody]` of a video, which may be deleted, its tags, and what it is to the caller. Raises `VideoNotFound`."""
    scope = f"changes {video_id}"
    after = cursors.decode(scope, cursor)
    page = await repository.find_page(database, video_id, after, caller_id=caller.id, limit=limit)
    if after is None and not page["items"]:
        raise VideoNotFound
    return cursors.json_page(page, scope=scope)


async def purge(database: Database) -> None:
    """Delete what is older than 30 days and not the last change of its field."""
    await repeat_in_transactions(
        database.transaction, lambda db: repository.purge(db, PURGE_BATCH), batch=PURGE_BATCH
    )
