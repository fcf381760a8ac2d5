"""Every statement on `signing_keys`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import SigningKey

_LOCK = 0x5349474E  # any number that no other lock of this database has


async def lock_keys(session: AsyncSession) -> None:
    """Take turns with every other replica that looks whether a key has to be made."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def find_published(session: AsyncSession) -> Sequence[Row[Any]]:
    """All keys that are still published, oldest first."""
    statement = select(
        SigningKey.kid,
        SigningKey.public_jwk,
        SigningKey.private_key,
        SigningKey.active_from,
        SigningKey.retired_at,
    ).where(or_(SigningKey.expires_at.is_(None), SigningKey.expires_at > func.now()))
    return (await session.execute(statement.order_by(SigningKey.active_from, SigningKey.kid))).all()


async def insert_key(
    session: AsyncSession, *, kid: str, public_jwk: dict[str, str], private_key: bytes
) -> None:
    """Store a key that signs from now on."""
    await session.execute(insert(SigningKey).values(kid=kid, public_jwk=public_jwk, private_key=private_key))
