"""Ending all sessions of an account, whatever the reason."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.models.sessions import EndReason
from auth.sessions import repository
from auth.sessions.repository import delete_challenges


async def end_sessions(
    db: AsyncSession,
    user_id: UUID,
    *,
    reason: EndReason,
    keep: UUID | None = None,
    actor_id: UUID | None = None,
) -> int:
    """End all sessions of an account but `keep`, with an event for each; gives their number. Its login challenges are
    deleted too.

    Call it in the transaction of the change that is the reason (a new password, say), after that change, so that no
    session can begin with the old state.
    """
    await delete_challenges(db, user_id)
    ended = await repository.end_all(db, user_id, reason=reason, keep=keep)
    for session_id in ended:
        await record_event(db, "session_ended", user_id=user_id, session_id=session_id, actor_id=actor_id)
    return len(ended)
