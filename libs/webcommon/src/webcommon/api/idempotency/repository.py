"""Every statement on `idempotency_keys`."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

# One statement decides: the caller gets a new key, an expired one, or one whose lease has expired. The row lock makes
# callers wait for each other, and the second one finds the first one's lease.
_CLAIM = text("""
INSERT INTO idempotency_keys AS kept
    (user_id, operation, key, fingerprint, request_id, lease_token, leased_until, created_at, expires_at)
VALUES (:user_id, :operation, :key, :fingerprint, :token, :token, now() + :lease, now(), now() + :lifetime)
ON CONFLICT (user_id, operation, key) DO UPDATE SET
    fingerprint = excluded.fingerprint,
    request_id = CASE WHEN kept.expires_at <= now() THEN excluded.request_id ELSE kept.request_id END,
    lease_token = excluded.lease_token,
    leased_until = excluded.leased_until,
    status_code = NULL, location = NULL, body = NULL,
    created_at = CASE WHEN kept.expires_at <= now() THEN now() ELSE kept.created_at END,
    expires_at = excluded.expires_at
WHERE (kept.leased_until IS NULL OR kept.leased_until <= now())
    AND (kept.expires_at <= now() OR (kept.status_code IS NULL AND kept.fingerprint = excluded.fingerprint))
RETURNING request_id
""")

_FIND = text("""
SELECT fingerprint, status_code, location, body FROM idempotency_keys
WHERE user_id = :user_id AND operation = :operation AND key = :key
""")

_OWN = (
    "WHERE user_id = :user_id AND operation = :operation AND key = :key AND lease_token = :token RETURNING 1"
)

_FINISH = text(f"""
UPDATE idempotency_keys SET lease_token = NULL, leased_until = NULL, expires_at = now() + :lifetime,
    status_code = :status_code, location = :location, body = :body
{_OWN}
""")  # noqa: S608 - the text is this file's own

_FREE = text(f"DELETE FROM idempotency_keys {_OWN}")  # noqa: S608 - the text is this file's own

_END_LEASE = text(f"UPDATE idempotency_keys SET leased_until = now() {_OWN}")  # noqa: S608 - the text is this file's own

_DELETE_EXPIRED = text("""
WITH expired AS (
    SELECT user_id, operation, key FROM idempotency_keys
    WHERE expires_at <= now() AND (leased_until IS NULL OR leased_until <= now())
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys AS kept USING expired
WHERE (kept.user_id, kept.operation, kept.key) = (expired.user_id, expired.operation, expired.key)
RETURNING 1
""")


async def claim(
    db: AsyncSession, *, token: UUID, lease: timedelta, lifetime: timedelta, **request: Any
) -> UUID | None:
    """The request's id when the caller may run the request now: `token` itself, or an earlier run's id when that run is
    taken over. None when another run is in progress or has finished."""
    request_id: UUID | None = await db.scalar(
        _CLAIM, {"token": token, "lease": lease, "lifetime": lifetime, **request}
    )
    return request_id


async def find(db: AsyncSession, *, user_id: UUID, operation: str, key: str) -> Row[Any] | None:
    """The request under this key, with its answer if it has one."""
    return (await db.execute(_FIND, {"user_id": user_id, "operation": operation, "key": key})).one_or_none()


async def finish(db: AsyncSession, *, lifetime: timedelta, **columns: Any) -> bool:
    """Store the answer; False when another run has taken over."""
    return await _changes_one(db, _FINISH, lifetime=lifetime, **columns)


async def free(db: AsyncSession, **run: Any) -> bool:
    """Forget the request; False when another run has taken over."""
    return await _changes_one(db, _FREE, **run)


async def end_lease(db: AsyncSession, **run: Any) -> bool:
    """Let the next equal request take over at once; False when another run has taken over."""
    return await _changes_one(db, _END_LEASE, **run)


async def delete_expired(db: AsyncSession, *, limit: int) -> int:
    """Delete up to `limit` expired keys; gives how many. Skips rows that another sweep has locked."""
    return len((await db.execute(_DELETE_EXPIRED, {"limit": limit})).all())


async def _changes_one(db: AsyncSession, statement: TextClause, **parameters: Any) -> bool:
    return (await db.execute(statement, parameters)).one_or_none() is not None
