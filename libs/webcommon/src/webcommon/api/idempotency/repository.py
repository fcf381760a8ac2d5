"""Every statement on `idempotency_keys`."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

# One statement decides: a new key, one whose time is over, or one whose lease is over is the caller's. The lock on the
# row lets callers through one by one, and the second finds the lease of the first.
_CLAIM = text("""
INSERT INTO idempotency_keys AS kept
    (user_id, operation, key, fingerprint, request_id, lease_token, leased_until, created_at, expires_at)
VALUES (:user_id, :operation, :key, :fingerprint, :token, :token, now() + :lease, now(), now() + :kept_for)
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
UPDATE idempotency_keys SET lease_token = NULL, leased_until = NULL, expires_at = now() + :kept_for,
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
    db: AsyncSession, *, token: UUID, lease: timedelta, kept_for: timedelta, **request: Any
) -> UUID | None:
    """The request's id when the request is the caller's to run now: `token` itself, or an earlier run's when that run
    is taken over. None when somebody else runs it or ran it to its end."""
    request_id: UUID | None = await db.scalar(
        _CLAIM, {"token": token, "lease": lease, "kept_for": kept_for, **request}
    )
    return request_id


async def find(db: AsyncSession, *, user_id: UUID, operation: str, key: str) -> Row[Any] | None:
    """The request under this key, and its answer when it has one."""
    return (await db.execute(_FIND, {"user_id": user_id, "operation": operation, "key": key})).one_or_none()


async def finish(db: AsyncSession, *, kept_for: timedelta, **columns: Any) -> bool:
    """Store the answer; False when the run was overtaken."""
    return await _changes_one(db, _FINISH, kept_for=kept_for, **columns)


async def free(db: AsyncSession, **run: Any) -> bool:
    """Forget the request; False when the run was overtaken."""
    return await _changes_one(db, _FREE, **run)


async def end_lease(db: AsyncSession, **run: Any) -> bool:
    """Let the next same request take over at once; False when the run was overtaken."""
    return await _changes_one(db, _END_LEASE, **run)


async def delete_expired(db: AsyncSession, *, limit: int) -> int:
    """Delete up to `limit` keys whose time is over; how many there were. Passes over those that another sweep has."""
    return len((await db.execute(_DELETE_EXPIRED, {"limit": limit})).all())


async def _changes_one(db: AsyncSession, statement: TextClause, **parameters: Any) -> bool:
    return (await db.execute(statement, parameters)).one_or_none() is not None
