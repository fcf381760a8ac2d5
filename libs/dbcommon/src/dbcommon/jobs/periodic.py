"""Work that a process repeats while it runs: one loop, with its logging of failures and its way to stop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from dbcommon.errors import DatabaseError
from dbcommon.schedule import Schedule

logger = logging.getLogger(__name__)

FAILURES_TO_WARN = 10
"""After this many expected failures in a row one warning is logged, by default."""


@contextlib.asynccontextmanager
async def run_every(
    schedule: Schedule,
    work: Callable[[], Awaitable[object]],
    *,
    name: str,
    wake: asyncio.Event | None = None,
    expected: tuple[type[Exception], ...] = (),
    failures_to_warn: int = FAILURES_TO_WARN,
    stop_seconds: float = 0.0,
) -> AsyncIterator[None]:
    """Repeat `work` while the block runs. A failure is logged under `name`, and the work goes on.

    Setting `wake` ends the current pause; set during a run, it causes another run at once. A `DatabaseError` and the
    `expected` errors are logged at debug level, since the pool's maintenance reports an absent database; the last of
    `failures_to_warn` in a row is a warning. At the end of the block a run in progress gets `stop_seconds` to finish
    before it is cancelled.
    """
    loop = _Loop(
        schedule,
        work,
        name=name,
        wake=wake or asyncio.Event(),
        expected=(DatabaseError, *expected),
        failures_to_warn=failures_to_warn,
    )
    task = asyncio.create_task(loop.run(), name=name)
    try:
        yield
    finally:
        loop.stop()
        if stop_seconds > 0:
            await asyncio.wait({task}, timeout=stop_seconds)
        task.cancel()
        await asyncio.wait({task})


@dataclass
class _Loop:
    schedule: Schedule
    work: Callable[[], Awaitable[object]]
    name: str = field(kw_only=True)
    wake: asyncio.Event = field(kw_only=True)
    expected: tuple[type[Exception], ...] = field(kw_only=True)
    failures_to_warn: int = field(kw_only=True)
    stopping: bool = False
    failures: int = 0

    def stop(self) -> None:
        self.stopping = True
        self.wake.set()

    async def run(self) -> None:
        if not self.schedule.at_once:
            await self._pause()
        while not self.stopping:
            self.wake.clear()
            self.failures = 0 if await self._try() else self.failures + 1
            await self._pause()

    async def _try(self) -> bool:
        try:
            await self.work()
        except self.expected as error:
            number = self.failures + 1
            level = logging.WARNING if number == self.failures_to_warn else logging.DEBUG
            logger.log(level, "%s has to wait, failure %d in a row: %s", self.name, number, error)
            return False
        # A loop that dies is not restarted.
        except Exception:
            logger.exception("%s failed; it is tried again", self.name)
            return False
        return True

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.schedule.pause(failures=self.failures)):
                await self.wake.wait()
