"""Statements on `revocations`, whose rows are written by triggers on `sessions`."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Revocation
from dbcommon.engine import Database

_BATCH = 1_000


async def find_since(database: Database, age: timedelta) -> Sequence[UUID]:
    """Ids of the sessions that ended at most `age` ago, sorted."""
    statement = select(Revocation.session_id).where(Revocation.ended_at > func.now() - age)
    rows = await database.fetch_all(statement.order_by(Revocation.session_id))
    return [row.session_id for row in rows]


async def delete_older(db: AsyncSession, age: timedelta) -> int:
    """Delete a batch of rows older than `age`, passing over locked ones; gives their number."""
    due = (
        select(Revocation.session_id)
        .where(Revocation.ended_at < func.now() - age)
        .order_by(Revocation.ended_at)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(Revocation).where(Revocation.session_id.in_(due)).returning(Revocation.session_id)
    return len((await db.execute(statement)).all())
