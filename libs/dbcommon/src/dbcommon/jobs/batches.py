"""Work on many rows in small transactions, so that locks are short."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncSession


async def repeat_batches(step: Callable[[], Awaitable[int]], *, batch: int = 1) -> None:
    """Repeat `step` until it gives fewer than `batch` rows; by default, until it gives none."""
    while await step() >= batch:
        pass


async def repeat_in_transactions(
    transaction: Callable[[], AbstractAsyncContextManager[AsyncSession]],
    step: Callable[[AsyncSession], Awaitable[int]],
    *,
    batch: int = 1,
) -> None:
    """Repeat `step`, each time in a transaction of its own (`database.transaction`), until it gives fewer than `batch` rows."""

    async def once() -> int:
        async with transaction() as db:
            return await step(db)

    await repeat_batches(once, batch=batch)
