"""Statements of the account routes."""

from uuid import UUID

import asyncpg
from sqlalchemy import Text, bindparam, cast, delete, func, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import BY_OPERATOR
from auth.models import AuditEvent, Session, User
from auth.sessions.repository import CALLER_ROLES
from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.rows import AnyRow
from webcommon.auth.bearer import Caller

_LIVE_ACCOUNT = DriverStatement(
    select(
        json_item(
            id=User.id,
            email=User.email,
            username=User.username,
            email_verified=User.email_verified,
            roles=User.roles,
            created_at=json_timestamp(User.created_at),
            updated_at=json_timestamp(User.updated_at),
        )
    )
    .join(Session, Session.user_id == User.id)
    .where(
        Session.id == bindparam("session_id"),
        User.id == bindparam("user_id"),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
        User.disabled_at.is_(None),
    )
)


async def find_live_account(database: Database, *, user_id: UUID, session_id: UUID) -> str | None:
    """The account's `UserAnswer` as JSON; None when the session is not live, or of another account, or the account is
    disabled. One round trip."""
    row = await database.fetch_record(_LIVE_ACCOUNT, user_id=user_id, session_id=session_id)
    return None if row is None else row["item"]


async def rename(db: AsyncSession, user_id: UUID, *, username: str) -> bool:
    """Set the username; False when it is the present one. A taken one violates `uq_users_username`."""
    statement = (
        update(User)
        .where(User.id == user_id, cast(User.username, Text) != username)
        .values(username=username)
        .returning(User.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def read_account(db: AsyncSession, user_id: UUID) -> AnyRow:
    """An existing account, as this transaction sees it."""
    statement = select(
        User.id,
        User.email,
        User.username,
        User.email_verified,
        User.roles,
        User.created_at,
        User.updated_at,
    ).where(User.id == user_id)
    return (await db.execute(statement)).one()


async def delete_account(db: AsyncSession, user_id: UUID, *, password_hash: str | None) -> AnyRow | None:
    """Delete the account and all its rows; gives its e-mail and username. None when its password hash is a different one."""
    same = User.password_hash.is_not_distinct_from(password_hash)
    statement = delete(User).where(User.id == user_id, same).returning(User.email, User.username)
    return (await db.execute(statement)).one_or_none()


_BY_OTHER = or_(
    AuditEvent.actor_id.is_not(None),
    AuditEvent.event.in_([literal_column(f"'{event}'") for event in BY_OPERATOR]),
)
_PAGE = prepare_page(
    select(
        json_item(
            id=AuditEvent.id,
            event=AuditEvent.event,
            session_id=AuditEvent.session_id,
            by_other=_BY_OTHER,
            at=json_timestamp(AuditEvent.at),
        ),
        AuditEvent.id,
    )
    .where(AuditEvent.user_id == bindparam("user_id"), AuditEvent.id < bindparam("before"))
    .order_by(AuditEvent.id.desc()),
    CALLER_ROLES,
)


async def find_page(database: Database, caller: Caller, *, before: UUID, limit: int) -> "asyncpg.Record":
    """A page of the caller's events before `before`, the newest first, as JSON of `EventAnswer`; and the `CALLER_ROLES`."""
    return await database.fetch_page(
        _PAGE, user_id=caller.id, session_id=caller.session_id, before=before, limit=limit
    )
