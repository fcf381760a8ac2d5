"""Every statement of the administrators' routes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import User
from auth.sessions.repository import AnyRow
from dbcommon.engine import Database

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

_IS_ACCOUNT = User.withheld_from.is_(None)
"""Nobody has an account that is withheld, and administrators see none of them."""


async def find_users(
    database: Database, *, search: str | None, after: UUID | None, limit: int
) -> Sequence[AnyRow]:
    """Accounts whose e-mail or username holds `search` regardless of case, the oldest first, from the one after `after` on."""
    statement: Select[*tuple[object, ...]] = select(*_COLUMNS).where(_IS_ACCOUNT)
    if search is not None:
        wanted = cast(search, CITEXT())  # which is looked for regardless of case
        statement = statement.where(
            or_(func.strpos(User.email, wanted) > 0, func.strpos(User.username, wanted) > 0)
        )
    if after is not None:
        statement = statement.where(User.id > after)
    return await database.fetch_all(statement.order_by(User.id).limit(limit))


async def find_user(database: Database, user_id: UUID) -> AnyRow | None:
    """An account."""
    return await database.fetch_one(select(*_COLUMNS).where(User.id == user_id, _IS_ACCOUNT))


async def set_disabled(session: AsyncSession, user_id: UUID, *, disabled: bool) -> bool:
    """Disable or enable an account; whether that changed anything."""
    before = User.disabled_at.is_(None) if disabled else User.disabled_at.is_not(None)
    statement = (
        update(User)
        .where(User.id == user_id, before)
        .values(disabled_at=func.now() if disabled else None)
        .returning(User.id)
    )
    return (await session.execute(statement)).one_or_none() is not None


async def lock_users(session: AsyncSession, *user_ids: UUID) -> None:
    """Nobody else changes these accounts until the transaction ends. They are locked in the order of their ids, so that two
    administrators who act on each other at once do not wait for each other."""
    statement = select(User.id).where(User.id.in_(user_ids), _IS_ACCOUNT).order_by(User.id)
    await session.execute(statement.with_for_update(key_share=True))


async def read_user(session: AsyncSession, user_id: UUID) -> AnyRow | None:
    """An account, as this transaction sees it."""
    return (await session.execute(select(*_COLUMNS).where(User.id == user_id, _IS_ACCOUNT))).one_or_none()
