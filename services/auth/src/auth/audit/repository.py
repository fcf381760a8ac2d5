"""Statements that add audit events. The statement that begins a session adds its own (`auth.sessions.repository`), and
`auth.accounts.repository` reads them."""

from uuid import UUID

from sqlalchemy import bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import AuditEvent
from auth.models.audit import Event
from dbcommon.engine import Database
from dbcommon.models import new_id

BY_OPERATOR: tuple[Event, ...] = ("role_granted", "role_revoked")
"""Events of the operator's commands (`auth.commands`). No account causes them, so their `actor_id` is NULL."""


async def record_event(
    db: AsyncSession,
    event: Event,
    *,
    user_id: UUID | None,
    session_id: UUID | None = None,
    actor_id: UUID | None = None,
) -> None:
    """Add an event, in the transaction of the change that it records. `actor_id`: the account that made the change, if it
    was not the owner's.
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
    """Record a failed login of an account. For an unknown account the same statement runs for as long, but writes nothing.
    The limits of logins bound the number of rows."""
    await database.fetch_all(_LOGIN_FAILURE, {"id": new_id(), "user_id": user_id})
