"""The database's clock, which all processes share: games go by it, whatever the clocks of the machines say."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from dbcommon.engine import Database
from dbcommon.errors import DatabaseUnavailable
from dbcommon.schedule import Schedule
from l2p.clock import repository

CLOCK_SCHEDULE = Schedule(seconds=10.0, retry_seconds=0.5, at_once=True)
"""How often the clock is measured."""

MEASUREMENTS = 3
"""Questions to the database in a measurement; the one with the shortest round trip counts."""


class DatabaseClock:
    """Gives the database's time without asking it: the last measurement, and this process's monotonic clock since."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._measured: datetime | None = None
        self._measured_at = 0.0

    async def measure(self) -> None:
        """Ask the database for its time. Raises `DatabaseError`."""
        shortest = float("inf")
        for _ in range(MEASUREMENTS):
            before = self._monotonic()
            now = await repository.read_time(self._database)
            after = self._monotonic()
            if after - before < shortest:
                shortest = after - before
                # The answer is as old as the way back took: half of the round trip.
                self._measured, self._measured_at = now, (before + after) / 2

    def now(self) -> datetime:
        """The database's time. Raises `DatabaseUnavailable` before the first measurement."""
        if self._measured is None:
            raise DatabaseUnavailable("the database's clock was not measured yet")
        return self._measured + timedelta(seconds=self._monotonic() - self._measured_at)

    def seconds_until(self, moment: datetime) -> float:
        """Negative for a time in the past. Raises as `now`."""
        return (moment - self.now()).total_seconds()
