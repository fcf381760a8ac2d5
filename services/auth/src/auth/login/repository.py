"""Statements that sign-ins with a password need."""

from uuid import UUID

import asyncpg
from sqlalchemy import (
    Boolean,
    bindparam,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import User
from auth.sessions.recognised_devices import DEVICE_BINDING
from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database

_CREDENTIALS = select(
    User.id, User.password_hash, User.disabled_at, User.email_verified, DEVICE_BINDING.label("device_binding")
)
_LOGIN = bindparam("login", type_=User.email.type)
_BY_EMAIL = DriverStatement(_CREDENTIALS.where(User.email == _LOGIN))
_BY_USERNAME = DriverStatement(
    _CREDENTIALS.where(
        User.username == _LOGIN,
        or_(User.shadow_of.is_(None), bindparam("with_shadows", type_=Boolean())),
    )
)
_REGISTRATIONS = DriverStatement(
    _CREDENTIALS.ext(distinct_on(User.email_verified))
    .where(or_(User.email == _LOGIN, User.shadow_email == _LOGIN))
    .order_by(User.email_verified, User.created_at.desc())
)


async def find_by_email(database: Database, email: str) -> "asyncpg.Record | None":
    """The credentials of the account with this e-mail address, regardless of case."""
    return await database.fetch_record(_BY_EMAIL, login=email)


async def find_by_username(
    database: Database, username: str, *, with_shadows: bool
) -> "asyncpg.Record | None":
    """The credentials of the account with this username; those of a shadow account only `with_shadows`."""
    return await database.fetch_record(_BY_USERNAME, login=username, with_shadows=with_shadows)


async def find_registrations(database: Database, email: str) -> "list[asyncpg.Record]":
    """The credentials of the account that verified this e-mail address, and of the newest registration that did not,
    shadow accounts included."""
    return await database.fetch_records(_REGISTRATIONS, login=email)


async def upgrade_password_hash(db: AsyncSession, user_id: UUID, *, old: str, new: str) -> bool:
    """Replace an outdated hash by a new one of the same password; False if the password was changed."""
    statement = update(User).where(User.id == user_id, User.password_hash == old).values(password_hash=new)
    return (await db.execute(statement.returning(User.id))).one_or_none() is not None
