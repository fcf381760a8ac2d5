"""The ways into an account, of which the last one must not be removed."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import OAuthAccount, Passkey, User


async def count_ways_in(session: AsyncSession, user_id: UUID) -> int:
    """How many ways in an account has: a password, and each linked account and passkey.

    The account is to be locked before, so that of two removals at once the second counts after the first.
    """
    links = select(func.count()).where(OAuthAccount.user_id == user_id).scalar_subquery()
    passkeys = select(func.count()).where(Passkey.user_id == user_id).scalar_subquery()
    with_password = select(func.count()).where(User.id == user_id, User.password_hash.is_not(None))
    statement = select(links + passkeys + with_password.scalar_subquery())
    return int((await session.execute(statement)).scalar_one())
