"""Every statement of the account routes."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Session, User
from dbcommon.engine import Database
from dbcommon.reads import PreparedRead


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """An account to be stored."""

    id: UUID
    email: str
    username: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Holders:
    """Who has an e-mail address and who a username, None for nobody, and the transaction's time."""

    of_email: UUID | None
    of_username: UUID | None
    at: datetime


async def insert_if_free(session: AsyncSession, account: NewAccount) -> None:
    """Store the account, unless its e-mail or its username belongs to another."""
    await session.execute(
        insert(User)
        .values(
            id=account.id,
            email=account.email,
            username=account.username,
            password_hash=account.password_hash,
        )
        .on_conflict_do_nothing()
    )


async def find_holders(session: AsyncSession, *, email: str, username: str) -> Holders:
    """Who holds the two names, regardless of case."""
    statement = select(
        select(User.id).where(User.email == email).scalar_subquery().label("of_email"),
        select(User.id).where(User.username == username).scalar_subquery().label("of_username"),
        func.now().label("at"),
    )
    row = (await session.execute(statement)).one()
    return Holders(of_email=row.of_email, of_username=row.of_username, at=row.at)


_LIVE_ACCOUNT = PreparedRead(
    select(
        User.id,
        User.email,
        User.username,
        User.email_verified,
        User.roles,
        User.created_at,
        User.updated_at,
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


async def find_live_account(
    database: Database, *, user_id: UUID, session_id: UUID
) -> "asyncpg.Record | None":
    """The account, if the session is one of its own and lives and the account is not disabled. One round trip."""
    return await database.fetch_record(_LIVE_ACCOUNT, user_id=user_id, session_id=session_id)
