"""Runs scans outside of requests: those that were begun here or elsewhere, and those of processes that died."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import run_every
from dbcommon.models import new_id
from dbcommon.schedule import Schedule
from videovault.media.calls import MediaWorkers
from videovault.scans import repository
from videovault.scans.run import LEASE, ScanLost, ScanRun
from videovault.settings import Settings

logger = logging.getLogger(__name__)

AT_ONCE = 2
"""Scans of a process at the same time."""

LOOK_SECONDS = 5.0
"""How often a process looks for scans that nobody is at."""


class ScanWorker:
    """Scans for this process."""

    def __init__(
        self, database: Database, settings: Settings, *, media_workers: MediaWorkers | None = None
    ) -> None:
        self._database = database
        self._settings = settings
        self._media_workers = media_workers
        self._events = [asyncio.Event() for _ in range(AT_ONCE)]

    def wake(self) -> None:
        """A scan was begun."""
        for event in self._events:
            event.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run scans while the block runs. Those that are not done in the end are left to another process."""
        looks = Schedule(seconds=LOOK_SECONDS, jitter=0.1, at_once=True)
        async with AsyncExitStack() as stack:
            for event in self._events:
                work = run_every(looks, self.work, name="the worker of scans", wake=event)
                await stack.enter_async_context(work)
            yield

    async def work(self) -> None:
        """Run all scans that are due."""
        await repeat_batches(self._run_one)

    async def _run_one(self) -> int:
        run = await claim_scan(self._database, self._settings, media_workers=self._media_workers)
        if run is None:
            return 0
        await run_claimed(self._database, run)
        return 1


class ClaimedScan:
    """A scan of which this process has the lease."""

    def __init__(self, run: ScanRun, scan_id: UUID, runner: UUID) -> None:
        self.run = run
        self.scan_id = scan_id
        self.runner = runner


async def claim_scan(
    database: Database,
    settings: Settings,
    *,
    scan_id: UUID | None = None,
    media_workers: MediaWorkers | None = None,
) -> ClaimedScan | None:
    """Take a scan, any or this one, that no process is at; None without one."""
    runner = new_id()
    async with database.transaction() as db:
        scan = await repository.claim(db, runner, lease=LEASE, scan_id=scan_id)
    if scan is None:
        return None
    run = ScanRun(database, settings, scan, runner, media_workers=media_workers)
    return ClaimedScan(run, scan.id, runner)


async def run_claimed(database: Database, claimed: ClaimedScan) -> None:
    """Run a scan to its end. If the process stops or the database goes away first, another run takes it up."""
    try:
        await claimed.run.run()
    except ScanLost:
        logger.info("the scan %s was ended by another", claimed.scan_id)
    except DatabaseError:
        raise
    except asyncio.CancelledError:
        async with database.transaction() as db:
            await repository.release(db, claimed.scan_id, claimed.runner)
        raise
    except Exception:
        logger.exception("the scan %s failed", claimed.scan_id)
        async with database.transaction() as db:
            await repository.finish(db, claimed.scan_id, claimed.runner, status="failed")
