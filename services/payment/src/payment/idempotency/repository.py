"""Every statement on `idempotency_keys`."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from payment.models import IdempotencyKey
from payment.rows import AnyRow


async def find_answer(session: AsyncSession, *, user_id: UUID, operation: str, key: str) -> AnyRow | None:
    """The request that had an effect under this key, with its answer, while it is kept."""
    statement = select(
        IdempotencyKey.fingerprint, IdempotencyKey.status_code, IdempotencyKey.location, IdempotencyKey.body
    ).where(
        IdempotencyKey.user_id == user_id,
        IdempotencyKey.operation == operation,
        IdempotencyKey.key == key,
        IdempotencyKey.expires_at > func.now(),
    )
    return (await session.execute(statement)).one_or_none()


async def keep_answer(session: AsyncSession, *, kept_for: timedelta, **columns: Any) -> bool:
    """Store a request and its answer in place of one whose time is over; False when the key is in use."""
    new = insert(IdempotencyKey).values(**columns, created_at=func.now(), expires_at=func.now() + kept_for)
    replaced = (
        "fingerprint",
        "status_code",
        "location",
        "body",
        "created_at",
        "expires_at",
    )
    statement = new.on_conflict_do_update(
        index_elements=["user_id", "operation", "key"],
        set_={name: new.excluded[name] for name in replaced},
        where=IdempotencyKey.expires_at <= func.now(),
    ).returning(IdempotencyKey.key)
    return (await session.execute(statement)).one_or_none() is not None


async def delete_expired(session: AsyncSession, *, limit: int) -> int:
    """Delete up to `limit` keys whose time is over; how many there were. Passes over those that another sweep has."""
    expired = (
        select(IdempotencyKey.user_id, IdempotencyKey.operation, IdempotencyKey.key)
        .where(IdempotencyKey.expires_at <= func.now())
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("expired")
    )
    statement = (
        delete(IdempotencyKey)
        .where(
            IdempotencyKey.user_id == expired.c.user_id,
            IdempotencyKey.operation == expired.c.operation,
            IdempotencyKey.key == expired.c.key,
        )
        .returning(IdempotencyKey.key)
    )
    return len((await session.execute(statement)).all())
