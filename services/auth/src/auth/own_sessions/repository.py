"""Every statement of the routes of one's own sessions."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from auth.models import Session
from auth.sessions.repository import AnyRow
from dbcommon.engine import Database


async def find_live(
    database: Database, user_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[AnyRow]:
    """The live sessions of an account, the newest first, from the one after `before` on."""
    statement = select(
        Session.id,
        Session.created_at,
        func.coalesce(Session.rotated_at, Session.created_at).label("last_used_at"),
        Session.expires_at,
        func.host(Session.ip).label("ip"),
        Session.user_agent,
        Session.method,
    ).where(Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > func.now())
    if before is not None:
        statement = statement.where(Session.id < before)
    return await database.fetch_all(statement.order_by(Session.id.desc()).limit(limit))
