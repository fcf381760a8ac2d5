"""Statements on `signing_keys`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import SigningKey

_IS_PUBLISHED = or_(SigningKey.expires_at.is_(None), SigningKey.expires_at > func.now())


async def lock_keys(db: AsyncSession) -> None:
    """Lock the table, so that only one replica at a time decides whether a key is needed."""
    await db.execute(text("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"))


async def find_published(db: AsyncSession) -> Sequence[Row[Any]]:
    """All published keys, oldest first."""
    statement = select(
        SigningKey.kid,
        SigningKey.public_jwk,
        SigningKey.private_key,
        SigningKey.created_at,
        SigningKey.active_from,
        SigningKey.retired_at,
        (SigningKey.rotate_at <= func.now()).label("is_due"),
    ).where(_IS_PUBLISHED)
    return (await db.execute(statement.order_by(SigningKey.active_from, SigningKey.kid))).all()


async def insert_key(db: AsyncSession, *, kid: str, public_jwk: dict[str, str], private_key: bytes) -> None:
    """Store a key that signs from now on."""
    await db.execute(insert(SigningKey).values(kid=kid, public_jwk=public_jwk, private_key=private_key))


async def insert_successor(
    db: AsyncSession, *, kid: str, public_jwk: dict[str, str], private_key: bytes, after: timedelta
) -> datetime:
    """Store a key that signs once it has been published for `after`; gives that time."""
    statement = insert(SigningKey).values(
        kid=kid, public_jwk=public_jwk, private_key=private_key, active_from=func.now() + after
    )
    active_from: datetime = (await db.execute(statement.returning(SigningKey.active_from))).scalar_one()
    return active_from


async def retire(db: AsyncSession, *, successor: str, at: datetime, verifies_for: timedelta) -> None:
    """Let every other key sign until `at`, and stay published for `verifies_for` after that."""
    await db.execute(
        update(SigningKey)
        .where(SigningKey.kid != successor, SigningKey.retired_at.is_(None))
        .values(
            retired_at=func.greatest(at, SigningKey.active_from),
            expires_at=func.greatest(at, SigningKey.active_from) + verifies_for,
        )
    )


async def request_successor(db: AsyncSession) -> str | None:
    """Mark the newest key as due for rotation; its id. None if it is already, does not sign yet, or was withdrawn."""
    newest = select(SigningKey.kid).order_by(SigningKey.active_from.desc(), SigningKey.kid.desc()).limit(1)
    statement = (
        update(SigningKey)
        .where(
            SigningKey.kid == newest.scalar_subquery(),
            SigningKey.rotate_at.is_(None),
            SigningKey.active_from <= func.now(),
            _IS_PUBLISHED,
        )
        .values(rotate_at=func.now())
    )
    return (await db.execute(statement.returning(SigningKey.kid))).scalar_one_or_none()


async def exist(db: AsyncSession) -> bool:
    """Whether there is any key, published or not."""
    return bool((await db.execute(select(exists().select_from(SigningKey)))).scalar_one())


async def withdraw_published(db: AsyncSession) -> list[str]:
    """Let every published key expire now; their ids."""
    statement = (
        update(SigningKey)
        .where(_IS_PUBLISHED)
        .values(
            active_from=func.least(SigningKey.active_from, func.now()),
            retired_at=func.least(SigningKey.retired_at, func.now()),
            expires_at=func.now(),
        )
    )
    return list((await db.execute(statement.returning(SigningKey.kid))).scalars())


async def delete_expired(db: AsyncSession) -> None:
    """Delete the keys that are no longer published."""
    await db.execute(delete(SigningKey).where(SigningKey.expires_at < func.now()))
