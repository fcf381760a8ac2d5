"""What is left of sign-ins that came to nothing, or are long done."""

from auth.audit.repository import record_event
from auth.google import repository
from auth.sessions.repository import end, lock_session
from dbcommon.engine import Database


async def sweep_sign_ins(database: Database) -> None:
    """End the sessions whose codes nobody exchanged, and delete what has expired, in small transactions."""
    for step in (_end_unclaimed, _delete_expired, _forget_tokens):
        while await step(database):
            pass


async def _end_unclaimed(database: Database) -> int:
    async with database.transaction() as session:
        unclaimed = await repository.take_unused_codes(session)
        for session_id in unclaimed:
            state = None if session_id is None else await lock_session(session, session_id)
            if state is not None and await end(session, state.id, reason="ended"):
                await record_event(session, "session_ended", user_id=state.user_id, session_id=state.id)
        return len(unclaimed)


async def _delete_expired(database: Database) -> int:
    async with database.transaction() as session:
        return await repository.delete_expired(session)


async def _forget_tokens(database: Database) -> int:
    async with database.transaction() as session:
        return await repository.forget_expired_tokens(session)
