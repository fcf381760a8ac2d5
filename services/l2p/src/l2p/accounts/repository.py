"""The statements of registration and sign-in."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from l2p.models import User
from l2p.users.repository import OWN_COLUMNS


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """An account to be stored."""

    username: str
    email: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Whether a username and an e-mail address are taken, at the database's time `at`."""

    username: bool
    email: bool
    at: datetime


_CREDENTIALS = select(*OWN_COLUMNS, User.password_hash)
_BY_EMAIL = _CREDENTIALS.where(User.email == bindparam("login"))
_BY_USERNAME = _CREDENTIALS.where(User.username == bindparam("login"))


async def insert_if_free(db: AsyncSession, account: NewAccount) -> Row[*tuple[Any, ...]] | None:
    """Store the account and return its row; None when its e-mail address or its username is taken."""
    statement = (
        insert(User)
        .values(username=account.username, email=account.email, password_hash=account.password_hash)
        .on_conflict_do_nothing()
        .returning(*OWN_COLUMNS)
    )
    return (await db.execute(statement)).one_or_none()


async def find_taken(db: AsyncSession, *, username: str, email: str) -> Taken:
    """Whether each of the two is taken, regardless of case."""
    statement = select(
        exists().where(User.username == username), exists().where(User.email == email), func.now()
    )
    has_username, has_email, at = (await db.execute(statement)).one()
    return Taken(username=has_username, email=has_email, at=at)


async def find_credentials(database: Database, login: str) -> Row[Any] | None:
    """The account with this username or e-mail address. Only addresses contain an @."""
    return await database.fetch_one(_BY_EMAIL if "@" in login else _BY_USERNAME, {"login": login})


async def replace_hash(db: AsyncSession, *, user_id: UUID, old: str, new: str) -> None:
    """Store a new hash of the same password, unless the password was changed meanwhile."""
    await db.execute(
        update(User).where(User.id == user_id, User.password_hash == old).values(password_hash=new)
    )
