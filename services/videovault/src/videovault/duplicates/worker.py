"""Reads whole files outside of requests, one after another."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta

from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import run_every
from dbcommon.jobs.queue import Job
from dbcommon.schedule import Schedule
from videovault.duplicates import repository
from videovault.duplicates.hashing import ReadingStopped, read_proof
from videovault.settings import Settings

LOOK_SECONDS = 30.0
"""How often a process looks for files to read of which it was not told."""

LONGEST_SECONDS = 3600
"""A file that takes longer to read is given up."""

LEASE = timedelta(seconds=LONGEST_SECONDS + 60)


class Prover:
    """The reader of this process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._allowed = settings.media_folders
        self._stopping = threading.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read files while the block runs."""
        wake, looks = asyncio.Event(), Schedule(seconds=LOOK_SECONDS, jitter=0.1, at_once=True)
        with repository.QUEUE.waking(self._database.listener, wake):
            async with run_every(looks, self.work, name="the reading of whole files", wake=wake):
                try:
                    yield
                finally:
                    self._stopping.set()

    async def work(self) -> None:
        """Read all files that are due."""
        await repeat_batches(self._read_one)

    async def _read_one(self) -> int:
        async with self._database.transaction() as db:
            jobs = await repository.QUEUE.claim(db, most=1, lease=LEASE)
        for job in jobs:
            await self._read(job)
        return len(jobs)

    async def _read(self, job: Job) -> None:
        rows = await repository.find_files(self._database, [job.id])
        until = time.monotonic() + LONGEST_SECONDS
        for row in rows:
            try:
                values = await asyncio.to_thread(
                    read_proof,
                    row,
                    allowed=self._allowed,
                    is_stopped=lambda: self._stopping.is_set() or time.monotonic() > until,
                )
            except ReadingStopped:
                if self._stopping.is_set():
                    await self._release(job)
                    return
                values = {"detail": f"it took more than {LONGEST_SECONDS} s to read"}
            async with self._database.transaction() as db:
                await repository.settle_proof(db, job, values)

    async def _release(self, job: Job) -> None:
        async with self._database.transaction() as db:
            await repository.QUEUE.retry(db, job, pause=timedelta())
