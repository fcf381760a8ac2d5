"""Every statement on `audit_events`."""

from typing import Literal
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import AuditEvent

Event = Literal["register", "register_taken_email", "login", "logout", "refresh_token_reuse"]


async def record_event(
    session: AsyncSession, event: Event, *, user_id: UUID, session_id: UUID | None = None
) -> None:
    """Write one event in the transaction of what it tells of, so that neither is kept without the other."""
    await session.execute(insert(AuditEvent).values(event=event, user_id=user_id, session_id=session_id))
