"""The statements on the sessions that have playback URLs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from videovault.models import PlaybackSession

_IS_KNOWN = select(PlaybackSession.session_id).where(
    PlaybackSession.session_id == bindparam("session_id"), PlaybackSession.expires_at > func.now()
)


async def keep_session(
    db: AsyncSession, session_id: UUID, *, expires_at: datetime, checked_at: datetime
) -> None:
    """The session has a URL that is good until `expires_at`; it had not ended at `checked_at`."""
    row = insert(PlaybackSession).values(
        session_id=session_id, expires_at=expires_at, checked_at=func.least(checked_at, func.now())
    )
    later = {
        name: func.greatest(getattr(PlaybackSession, name), getattr(row.excluded, name))
        for name in ("expires_at", "checked_at")
    }
    await db.execute(row.on_conflict_do_update(index_elements=[PlaybackSession.session_id], set_=later))


async def is_known(database: Database, session_id: UUID) -> bool:
    """Whether the session has playback URLs, and is not known to have ended."""
    return await database.fetch_one(_IS_KNOWN, {"session_id": session_id}) is not None


async def list_sessions(database: Database) -> list[UUID]:
    """The ids of all."""
    return [row.session_id for row in await database.fetch_all(select(PlaybackSession.session_id))]


async def delete_ended(db: AsyncSession, session_ids: Sequence[UUID]) -> None:
    """Delete these, and those whose URLs are over."""
    is_over = or_(PlaybackSession.session_id.in_(session_ids), PlaybackSession.expires_at <= func.now())
    await db.execute(delete(PlaybackSession).where(is_over))


async def note_check(db: AsyncSession, *, every: timedelta, doubtful: timedelta) -> None:
    """No other session has ended. Delete those of which that was not known for longer than `doubtful`; of the rest note it,
    where the last note is older than `every`."""
    age = func.now() - PlaybackSession.checked_at
    await db.execute(delete(PlaybackSession).where(age > doubtful))
    await db.execute(update(PlaybackSession).where(age > every).values(checked_at=func.now()))
