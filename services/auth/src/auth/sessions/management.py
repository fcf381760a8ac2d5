"""Listing and ending the current user's sessions."""

from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.sessions import repository
from auth.sessions.current_user import lock_current_user, read_position, require_live
from auth.sessions.ending import end_sessions
from auth.sessions.repository import end_one
from dbcommon.engine import Database
from dbcommon.models import HIGHEST_ID
from webcommon.api.paging import CursorCodec
from webcommon.api.problems import NotFound
from webcommon.auth.bearer import Caller


async def list_sessions(
    database: Database, caller: Caller, *, cursors: CursorCodec, limit: int, cursor: str | None
) -> Response:
    """A `Page[SessionAnswer]` of the caller's live sessions, newest first.

    Raises `SessionEnded`, and `InvalidRequest` for a wrong cursor.
    """
    scope = f"own sessions {caller.id}"
    before = await read_position(database, caller, cursors, scope=scope, cursor=cursor, first=HIGHEST_ID)
    page = await repository.find_page(database, caller, before=before, limit=limit)
    require_live(page["caller_roles"])
    return cursors.json_page(page[:-1], scope=scope)


async def end_session(db: AsyncSession, caller: Caller, session_id: UUID) -> None:
    """End one of the caller's live sessions, the current one too. Raises `SessionEnded`, and `NotFound` for any other."""
    await lock_current_user(db, caller)
    if not await end_one(db, session_id, user_id=caller.id, reason="ended"):
        raise NotFound("You have no live session with this id.")
    await record_event(db, "session_ended", user_id=caller.id, session_id=session_id)


async def end_other_sessions(db: AsyncSession, caller: Caller) -> None:
    """End all of the caller's sessions but the current one. Raises `SessionEnded`."""
    await lock_current_user(db, caller)
    await end_sessions(db, caller.id, reason="ended", keep=caller.session_id)
