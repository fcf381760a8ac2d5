"""Rows whose time is over are deleted in the background, in small transactions."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from auth.google.sweeping import sweep_sign_ins
from auth.keys.repository import delete_expired
from auth.passkeys.repository import delete_expired as delete_answered_challenges
from auth.revocations.repository import delete_older
from auth.revocations.service import KEPT
from auth.second_factors.repository import delete_expired as delete_expired_challenges
from auth.sessions.repository import delete_old
from auth.standard_clients.codes import end_unused
from auth.standard_clients.repository import delete_used
from dbcommon.engine import Database
from dbcommon.errors import DatabaseError

logger = logging.getLogger(__name__)


class Sweeper:
    """Sweeps every `pause` seconds. Every replica does; what one has in hand the others pass over."""

    def __init__(self, database: Database, *, pause: float) -> None:
        self._database = database
        self._pause = pause

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep while the block runs."""
        task = asyncio.create_task(self._sweep_forever())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def sweep(self) -> None:
        """Delete all that is due now: sessions long over, what the revocation feed told of, keys that verify nothing."""
        while await self._delete_sessions():
            pass
        while await self._delete_revocations():
            pass
        while await self._delete_challenges():
            pass
        await sweep_sign_ins(self._database)
        while await end_unused(self._database):
            pass
        while await self._delete_codes():
            pass
        async with self._database.transaction() as session:
            await delete_expired(session)

    async def _delete_sessions(self) -> int:
        async with self._database.transaction() as session:
            return await delete_old(session)

    async def _delete_revocations(self) -> int:
        async with self._database.transaction() as session:
            return await delete_older(session, KEPT)

    async def _delete_challenges(self) -> int:
        async with self._database.transaction() as session:
            waiting = await delete_expired_challenges(session)
            return waiting + await delete_answered_challenges(session)

    async def _delete_codes(self) -> int:
        async with self._database.transaction() as session:
            return await delete_used(session)

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self.sweep()
            except DatabaseError as error:
                logger.warning("the sweep waits for its next turn: %s", error)
            except Exception:
                logger.exception("the sweep failed; it goes on")
