"""Deletes expired states, codes and tokens of sign-ins with Google."""

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.google import repository
from auth.sessions.repository import end, lock_session
from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_in_transactions


async def sweep_sign_ins(database: Database) -> None:
    """End sessions whose codes expired unused, and delete expired rows and tokens, in small transactions."""
    for step in (_end_unclaimed, repository.delete_expired, repository.delete_expired_tokens):
        await repeat_in_transactions(database.transaction, step)


async def _end_unclaimed(db: AsyncSession) -> int:
    unclaimed = await repository.delete_unused_codes(db)
    for session_id in unclaimed:
        state = None if session_id is None else await lock_session(db, session_id)
        if state is not None and await end(db, state.id, reason="ended"):
            await record_event(db, "session_ended", user_id=state.user_id, session_id=state.id)
    return len(unclaimed)
