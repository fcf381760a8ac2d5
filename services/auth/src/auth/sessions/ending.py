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
    """End every session of an account but `keep`, with an event each; how many. Every service hears of them. Sign-ins that
    wait for a second factor are void too.

    Call it after the change that is the reason (a new password, a disabling) in the same transaction, so that no session
    of the state before can begin behind it.
    """
    await delete_challenges(db, user_id)
    ended = await repository.end_all(db, user_id, reason=reason, keep=keep)
    for session_id in ended:
        await record_event(db, "session_ended", user_id=user_id, session_id=session_id, actor_id=actor_id)
    return len(ended)
