"""Locks of PostgreSQL on names that no row stands for yet. They last until the transaction ends."""

import hashlib

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession


def lock_number(*name: str) -> int:
    """The 64-bit number that advisory locks want, for a name of one or more parts."""
    digest = hashlib.blake2b(digest_size=8)
    for part in name:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return int.from_bytes(digest.digest(), "big", signed=True)


async def lock(session: AsyncSession, *name: str) -> None:
    """Wait for the lock. What the next statement sees includes what the former holder committed."""
    await session.execute(select(func.pg_advisory_xact_lock(lock_number(*name))))
