"""Statements of the administrators' routes."""

from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import User
from auth.sessions.repository import CALLER_ROLES
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.rows import AnyRow
from webcommon.auth.bearer import Caller

_COLUMNS = (
    User.id,
    User.email,
    User.username,
    User.email_verified,
    User.roles,
    User.disabled_at,
    User.created_at,
    User.updated_at,
)

_IS_ACCOUNT = User.shadow_of.is_(None)
"""Shadow accounts are hidden from administrators."""

_USERS = (
    select(
        json_item(
            id=User.id,
            email=User.email,
            username=User.username,
            email_verified=User.email_verified,
            roles=User.roles,
            created_at=json_timestamp(User.created_at),
            updated_at=json_timestamp(User.updated_at),
            disabled_at=json_timestamp(User.disabled_at),
        ),
        User.id,
    )
    .where(_IS_ACCOUNT, User.id > bindparam("after"))
    .order_by(User.id)
)
_SEARCHED = cast(bindparam("search"), CITEXT())  # compared regardless of case
_IS_FOUND = or_(func.strpos(User.email, _SEARCHED) > 0, func.strpos(User.username, _SEARCHED) > 0)
_PAGE, _FOUND_PAGE = (prepare_page(users, CALLER_ROLES) for users in (_USERS, _USERS.where(_IS_FOUND)))


async def find_page(
    database: Database, caller: Caller, *, search: str | None, after: UUID, limit: int
) -> "asyncpg.Record":
    """A page of the accounts after `after`, the oldest first, as JSON of `AdministeredUser`; and the `CALLER_ROLES`. `search`:
    a part of the e-mail or username, regardless of case."""
    parameters = {"user_id": caller.id, "session_id": caller.session_id, "after": after, "limit": limit}
    if search is None:
        return await database.fetch_page(_PAGE, **parameters)
    return await database.fetch_page(_FOUND_PAGE, search=search, **parameters)


async def find_user(database: Database, user_id: UUID) -> AnyRow | None:
    """An account."""
    return await database.fetch_one(select(*_COLUMNS).where(User.id == user_id, _IS_ACCOUNT))


async def set_disabled(db: AsyncSession, user_id: UUID, *, disabled: bool) -> bool:
    """Disable or enable an account; False when it was so already."""
    before = User.disabled_at.is_(None) if disabled else User.disabled_at.is_not(None)
    statement = (
        update(User)
        .where(User.id == user_id, before)
        .values(disabled_at=func.now() if disabled else None)
        .returning(User.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def lock_users(db: AsyncSession, *user_ids: UUID) -> None:
    """Lock accounts, in the order of their ids."""
    statement = select(User.id).where(User.id.in_(user_ids), _IS_ACCOUNT).order_by(User.id)
    await db.execute(statement.with_for_update(key_share=True))


async def read_user(db: AsyncSession, user_id: UUID) -> AnyRow | None:
    """An account, as this transaction sees it."""
    return (await db.execute(select(*_COLUMNS).where(User.id == user_id, _IS_ACCOUNT))).one_or_none()
