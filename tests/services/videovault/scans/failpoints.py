"""Scans with failpoints: `python -m tests.services.videovault.scans.failpoints`, a program of tests.

It loads what scans need once. For each line of its input, a JSON object of environment variables, it forks a process that runs
all scans that are due, and writes that process's id and, once it has ended, its status. There each transaction is a point
before and a point after its commit, and each reading of files a point. Their names are appended to the file FAILPOINT_LOG; the
process kills itself with -9 at the point of the number FAILPOINT.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from videovault.scans import run as scan_run
from videovault.scans.reading import Reading, read_files
from videovault.scans.worker import ScanWorker
from videovault.settings import Settings


class Failpoints:
    """The points of this process."""

    def __init__(self, *, log: str, last: int) -> None:
        self._log = log
        self._last = last
        self._count = 0

    def reach(self, name: str) -> None:
        """The process has come to a point."""
        self._count += 1
        with open(self._log, "a") as log:
            log.write(f"{name}\n")
        if self._count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put the points around what a scan does."""
        transaction, reach = Database.transaction, self.reach

        @contextlib.asynccontextmanager
        async def with_commit(self: Database) -> AsyncIterator[AsyncSession]:
            async with transaction(self) as db:
                yield db
                reach("before a commit")
            reach("after a commit")

        async def with_reading(files: Sequence[Any]) -> Reading:
            reading = await read_files(files)
            reach("after a reading")
            return reading

        setattr(Database, "transaction", with_commit)  # noqa: B010 - a method of another type
        setattr(scan_run, "read_files", with_reading)  # noqa: B010 - as above


async def _scan() -> None:
    settings = Settings.from_environment()
    assert settings.database is not None
    database = Database(settings.database, application_name="tests")
    async with database.running():
        await ScanWorker(database, settings).work()


def _fork(environment: dict[str, str]) -> int:
    child = os.fork()
    if child == 0:
        new_id()  # a forked generator would give its sibling's ids
        os.environ.update(environment)
        # Small steps make many points; progress is no step.
        scan_run.BATCH, scan_run.READ_AT_ONCE, scan_run.HOLD_SECONDS = 3, 2, 3600.0
        Failpoints(log=environment["FAILPOINT_LOG"], last=int(environment.get("FAILPOINT", "0"))).install()
        asyncio.run(_scan())
        os._exit(0)
    return child


def main() -> None:
    """Fork until the input ends."""
    for line in sys.stdin:
        _, status = os.waitpid(_fork(json.loads(line)), 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
