"""The rules of one's own sessions: all may be seen, each may be ended."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.own_account import lock_own_account
from auth.own_sessions import repository
from auth.own_sessions.schemas import SessionAnswer
from auth.sessions.ending import end_sessions
from auth.sessions.repository import AnyRow, end_one
from dbcommon.engine import Database
from webcommon.bearer import Caller
from webcommon.paging import CursorCodec, Page
from webcommon.problems import NotFound

_SCOPE = "own sessions"


async def list_sessions(
    database: Database, caller: Caller, *, cursors: CursorCodec, limit: int, cursor: str | None
) -> Page[SessionAnswer]:
    """A page of the caller's live sessions, the newest first."""
    after = cursors.decode(_SCOPE, cursor)
    rows = await repository.find_live(
        database, caller.id, before=after[0] if after else None, limit=limit + 1
    )

    def describe(row: AnyRow) -> SessionAnswer:
        return SessionAnswer.of_row(row, current=caller.session_id)

    return cursors.page(rows, limit=limit, scope=_SCOPE, item=describe, key=lambda row: (row.id,))


async def end_session(session: AsyncSession, caller: Caller, session_id: UUID) -> None:
    """End one of the caller's live sessions, be it the current one. Raises `SessionEnded`, and `NotFound` for any other."""
    await lock_own_account(session, caller)
    if not await end_one(session, session_id, user_id=caller.id, reason="ended"):
        raise NotFound("There is no such live session of yours.")
    await record_event(session, "session_ended", user_id=caller.id, session_id=session_id)


async def end_other_sessions(session: AsyncSession, caller: Caller) -> None:
    """End all of the caller's sessions but the current one. Raises `SessionEnded`."""
    await lock_own_account(session, caller)
    await end_sessions(session, caller.id, reason="ended", keep=caller.session_id)
