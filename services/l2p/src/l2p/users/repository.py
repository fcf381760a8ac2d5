"""Every statement on players."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, false, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from l2p.models import User
from l2p.users.naming import Claims, Settlement, possible_names

NAMES_LOCK = 0x6C32705F6E616D65
"""Key of the advisory lock over e-mails and usernames."""

PUBLIC_COLUMNS = (User.id, User.username, User.rating, User.created_at)
OWN_COLUMNS = (*PUBLIC_COLUMNS, User.email)

_PUBLIC = select(*PUBLIC_COLUMNS).where(User.id == bindparam("user_id"))
_OWN = select(*OWN_COLUMNS).where(User.id == bindparam("user_id"))


async def find_own(database: Database, user_id: UUID) -> Row[Any] | None:
    """The whole row, as its owner may see it."""
    return await database.fetch_one(_OWN, {"user_id": user_id})


async def find_public(database: Database, user_id: UUID) -> Row[Any] | None:
    """The part of a row that others may see."""
    return await database.fetch_one(_PUBLIC, {"user_id": user_id})


async def share_names(session: AsyncSession) -> None:
    """Say that this transaction gives names to one new or changed row; many may at once."""
    await session.execute(select(func.pg_advisory_xact_lock_shared(NAMES_LOCK)))


async def own_names(session: AsyncSession) -> None:
    """Wait until nobody else gives or takes names, and keep it so until the end of the transaction.

    Only who takes a name away from another row needs it: two that swap names would wait for each other's rows.
    """
    await session.execute(select(func.pg_advisory_xact_lock(NAMES_LOCK)))


def _concerned(claims: Claims) -> Select[*tuple[Any, ...]]:
    # `== None` would be IS NULL, and find every row without a name.
    has_email = false() if claims.email is None else User.email == claims.email
    has_username = false() if claims.username is None else User.username == claims.username
    return select(
        User.id,
        User.email,
        User.username,
        User.token_expires_at,
        User.password_hash.is_not(None).label("is_own_account"),
        func.coalesce(has_email, False).label("has_email"),
        func.coalesce(has_username, False).label("has_username"),
    ).where(or_(User.id == claims.id, has_email, User.username.in_(possible_names(claims))))


async def find_concerned(database: Database, claims: Claims) -> Sequence[Row[Any]]:
    """The caller's row, and every row with a name that the caller could get."""
    return await database.fetch_all(_concerned(claims))


async def lock_concerned(session: AsyncSession, claims: Claims) -> Sequence[Row[*tuple[Any, ...]]]:
    """The same, locked in the order of their ids, as everybody does who locks several players.

    `FOR UPDATE`, which a change of names needs (PostgreSQL, "Row-Level Locks"): grown from a weaker lock, it would wait for
    transactions that refer to these players while they wait for this one.
    """
    statement = _concerned(claims).order_by(User.id).with_for_update()
    return (await session.execute(statement)).all()


async def null_stale_names(session: AsyncSession, settlement: Settlement) -> None:
    """Take names away from the rows for which they are out of date."""
    if settlement.email_lost_by is not None:
        await session.execute(update(User).where(User.id == settlement.email_lost_by).values(email=None))
    if settlement.username_lost_by is not None:
        await session.execute(
            update(User).where(User.id == settlement.username_lost_by).values(username=None)
        )


async def store_names(session: AsyncSession, claims: Claims, settlement: Settlement) -> None:
    """Make or refresh the caller's row. An account of our own, or a row with a newer token's names, stays as it is."""
    statement = insert(User).values(
        id=claims.id,
        email=settlement.email,
        username=settlement.username,
        token_expires_at=claims.expires_at,
    )
    new = statement.excluded
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[User.id],
            set_={
                "email": new.email,
                "username": new.username,
                "token_expires_at": new.token_expires_at,
            },
            where=User.password_hash.is_(None)
            & func.coalesce(User.token_expires_at <= new.token_expires_at, True),
        )
    )
