"""Every statement on `audit_events`."""

from uuid import UUID

from sqlalchemy import bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import AuditEvent
from auth.models.audit import Event
from dbcommon.engine import Database
from dbcommon.models import new_id

BY_THE_OPERATOR: tuple[Event, ...] = ("role_granted", "role_revoked")
"""Events of what no account does, which are written by `auth.commands`: nobody's id stands in them as the actor's."""


async def record_event(
    db: AsyncSession,
    event: Event,
    *,
    user_id: UUID | None,
    session_id: UUID | None = None,
    actor_id: UUID | None = None,
) -> None:
    """Write one event in the transaction of what it tells of, so that neither is kept without the other.

    `actor_id` is who did it, where that was not the account's owner.
    """
    values = {"event": event, "user_id": user_id, "session_id": session_id, "actor_id": actor_id}
    await db.execute(insert(AuditEvent).values(values))


_LOGIN_FAILURE = text(
    """
    INSERT INTO audit_events (id, event, user_id)
    SELECT :id, 'login_failed', :user_id WHERE CAST(:user_id AS uuid) IS NOT NULL RETURNING 1
    """
).bindparams(bindparam("id", type_=AuditEvent.id.type), bindparam("user_id", type_=AuditEvent.id.type))


async def record_login_failure(database: Database, *, user_id: UUID | None) -> None:
    """Write that a login of this account failed. For an account that does not exist the same statement writes nothing:
    it takes as long, and strangers cannot fill the history. For one that exists the limits of logins bound it."""
    await database.fetch_all(_LOGIN_FAILURE, {"id": new_id(), "user_id": user_id})
