"""Statements that store accounts, and find the holders of names."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.mail.repository import reserved_for
from auth.models import User
from dbcommon.rows import AnyRow


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """An account to store."""

    id: UUID
    email: str
    username: str
    password_hash: str | None = field(repr=False)
    email_verified: bool = False


@dataclass(frozen=True, kw_only=True)
class Holders:
    """The accounts that hold an e-mail address and a username, None for a free one, and the transaction's time."""

    of_email: UUID | None
    of_username: UUID | None
    at: datetime


async def insert_if_free(db: AsyncSession, account: NewAccount) -> None:
    """Store the account, unless its e-mail address or username is taken, or the address is reserved for another account."""
    values = {
        User.id: literal(account.id),
        User.email: literal(account.email, User.email.type),
        User.username: literal(account.username, User.username.type),
        User.password_hash: literal(account.password_hash, User.password_hash.type),
        User.email_verified: literal(account.email_verified),
    }
    source = select(*values.values()).where(~reserved_for(account.email).exists())
    await db.execute(insert(User).from_select(list(values), source).on_conflict_do_nothing())


async def insert_shadow(db: AsyncSession, account: NewAccount) -> None:
    """Store the account as a shadow of the one that holds its e-mail address or has it reserved, if there is one and the
    username is free. Locks that account, so that it cannot be deleted meanwhile."""
    values = {
        User.id: literal(account.id),
        User.email: literal(f"{secrets.token_hex(16)}@shadow.invalid", User.email.type),
        User.username: literal(account.username, User.username.type),
        User.password_hash: literal(account.password_hash, User.password_hash.type),
        User.shadow_of: User.id,
        User.shadow_email: literal(account.email, User.shadow_email.type),
    }
    holds = or_(User.email == account.email, User.id.in_(reserved_for(account.email)))
    source = select(*values.values()).where(holds, User.id != account.id).limit(1)
    locked = source.with_for_update(read=True, key_share=True)
    await db.execute(insert(User).from_select(list(values), locked).on_conflict_do_nothing())


async def find_holders(db: AsyncSession, *, email: str, username: str) -> Holders:
    """The holders of the two names, regardless of case."""
    statement = select(
        func.coalesce(
            select(User.id).where(User.email == email).scalar_subquery(),
            reserved_for(email).limit(1).scalar_subquery(),
        ).label("of_email"),
        select(User.id).where(User.username == username).scalar_subquery().label("of_username"),
        func.now().label("at"),
    )
    row = (await db.execute(statement)).one()
    return Holders(of_email=row.of_email, of_username=row.of_username, at=row.at)


async def lock_by_email(db: AsyncSession, email: str) -> AnyRow | None:
    """The account with this e-mail address, regardless of case; nobody else changes it until the transaction ends."""
    statement = select(User.id, User.roles, User.email_verified).where(User.email == email)
    return (await db.execute(statement.with_for_update(key_share=True))).one_or_none()


async def set_roles(db: AsyncSession, user_id: UUID, roles: list[str]) -> None:
    """Replace the roles of an account."""
    await db.execute(update(User).where(User.id == user_id).values(roles=roles))
