"""Background work: orders whose time is over expire, and answers that are no longer repeated are deleted."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from payment.idempotency.service import delete_expired
from payment.orders.service import expire_lapsed
from webcommon.app import Service

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def sweeping(app: Service) -> AsyncIterator[None]:
    """Sweep every `sweep_seconds` while the block runs. Every replica does; what one has in hand the others pass over."""
    task = asyncio.create_task(_sweep_forever(app.state.database, pause=app.state.settings.sweep_seconds))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def sweep(database: Database) -> None:
    """Do all that is due now, in small transactions."""
    while await expire_lapsed(database):
        pass
    while await delete_expired(database):
        pass


async def _sweep_forever(database: Database, *, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        try:
            await sweep(database)
        except DatabaseError as error:
            logger.warning("the sweep waits for its next turn: %s", error)
        except Exception:
            logger.exception("the sweep failed; it goes on")
