"""Every statement on `signing_keys`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import SigningKey


async def lock_keys(db: AsyncSession) -> None:
    """Take turns with every other replica that looks whether a key has to be made."""
    await db.execute(text("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"))


async def find_published(db: AsyncSession) -> Sequence[Row[Any]]:
    """All keys that are still published, oldest first."""
    statement = select(
        SigningKey.kid,
        SigningKey.public_jwk,
        SigningKey.private_key,
        SigningKey.created_at,
        SigningKey.active_from,
        SigningKey.retired_at,
        (SigningKey.rotate_at <= func.now()).label("is_due"),
    ).where(or_(SigningKey.expires_at.is_(None), SigningKey.expires_at > func.now()))
    return (await db.execute(statement.order_by(SigningKey.active_from, SigningKey.kid))).all()


async def insert_key(db: AsyncSession, *, kid: str, public_jwk: dict[str, str], private_key: bytes) -> None:
    """Store a key that signs from now on."""
    await db.execute(insert(SigningKey).values(kid=kid, public_jwk=public_jwk, private_key=private_key))


async def insert_successor(
    db: AsyncSession, *, kid: str, public_jwk: dict[str, str], private_key: bytes, after: timedelta
) -> datetime:
    """Store a key that signs when it has been published for `after`; that moment."""
    statement = insert(SigningKey).values(
        kid=kid, public_jwk=public_jwk, private_key=private_key, active_from=func.now() + after
    )
    begins: datetime = (await db.execute(statement.returning(SigningKey.active_from))).scalar_one()
    return begins


async def retire(db: AsyncSession, *, successor: str, at: datetime, verifies_for: timedelta) -> None:
    """Let every other key sign until `at` and verify for `verifies_for` longer, which its last token lives."""
    await db.execute(
        update(SigningKey)
        .where(SigningKey.kid != successor, SigningKey.retired_at.is_(None))
        .values(
            retired_at=func.greatest(at, SigningKey.active_from),
            expires_at=func.greatest(at, SigningKey.active_from) + verifies_for,
        )
    )


async def delete_expired(db: AsyncSession) -> None:
    """Delete the keys whose last token has expired."""
    await db.execute(delete(SigningKey).where(SigningKey.expires_at < func.now()))
