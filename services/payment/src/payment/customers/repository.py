"""Every statement on `users`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from payment.models import User
from payment.rows import AnyRow, AnySelect


def select_identity(user_id: UUID) -> AnySelect:
    """What is stored of a user, and as of when."""
    return select(User.email, User.name, User.identity_as_of).where(User.id == user_id)


async def lock_users(session: AsyncSession, user_id: UUID, *, email: str | None) -> Sequence[AnyRow]:
    """Make sure that the user's row is there, and lock and return it together with the row that holds `email`.

    The row is made first and both are locked in the order of their ids, so that two users whose addresses change places
    wait for each other in turn and never in a ring.
    """
    await session.execute(insert(User).values(id=user_id).on_conflict_do_nothing(index_elements=["id"]))
    concerned = User.id == user_id if email is None else or_(User.id == user_id, User.email == email)
    statement = select(User.id, User.email, User.name, User.identity_as_of).where(concerned)
    return (await session.execute(statement.order_by(User.id).with_for_update())).all()


async def take_email(session: AsyncSession, user_id: UUID) -> None:
    """Leave a user without an address."""
    await session.execute(update(User).where(User.id == user_id).values(email=None))


async def write_identity(
    session: AsyncSession, user_id: UUID, *, email: str | None, name: str | None, as_of: datetime
) -> None:
    """Store what a token says."""
    await session.execute(
        update(User).where(User.id == user_id).values(email=email, name=name, identity_as_of=as_of)
    )
