"""Work on many rows in small transactions, so that no lock is held for long."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database


async def repeat_batches(step: Callable[[], Awaitable[int]], *, batch: int = 1) -> None:
    """Repeat `step` until it gives fewer than `batch` rows; by default, until it gives none."""
    while await step() >= batch:
        pass


async def repeat_in_transactions(
    database: Database, step: Callable[[AsyncSession], Awaitable[int]], *, batch: int = 1
) -> None:
    """Repeat `step`, each time in a transaction of its own, until it gives fewer than `batch` rows."""

    async def once() -> int:
        async with database.transaction() as db:
            return await step(db)

    await repeat_batches(once, batch=batch)
