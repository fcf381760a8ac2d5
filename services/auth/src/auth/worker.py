"""Deleting expired rows in the background, in small transactions."""

import contextlib
from collections.abc import AsyncIterator

from auth.google.sweeping import sweep_sign_ins
from auth.keys.repository import delete_expired
from auth.oidc.codes import end_unused
from auth.oidc.repository import delete_used
from auth.passkeys.repository import delete_expired as delete_answered_challenges
from auth.revocations.repository import delete_older
from auth.revocations.service import KEPT
from auth.second_factors.repository import delete_expired as delete_expired_challenges
from auth.sessions.repository import delete_old
from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_batches, repeat_in_transactions
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule


class Sweeper:
    """Sweeps every `pause` seconds. Every replica does, and passes over rows that another one has locked."""

    def __init__(self, database: Database, *, pause: float) -> None:
        self._database = database
        self._pause = pause

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep while the block runs."""
        async with run_every(Schedule(seconds=self._pause, jitter=0.1), self.sweep, name="the sweep"):
            yield

    async def sweep(self) -> None:
        """Delete all rows that are due: old sessions and revocations, challenges, sign-ins, codes, expired signing keys."""
        await repeat_in_transactions(self._database.transaction, delete_old)
        await repeat_in_transactions(self._database.transaction, lambda db: delete_older(db, KEPT))
        await repeat_in_transactions(self._database.transaction, delete_expired_challenges)
        await repeat_in_transactions(self._database.transaction, delete_answered_challenges)
        await sweep_sign_ins(self._database)
        await repeat_batches(lambda: end_unused(self._database))
        await repeat_in_transactions(self._database.transaction, delete_used)
        async with self._database.transaction() as db:
            await delete_expired(db)
