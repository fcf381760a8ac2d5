"""The rule: a place is taken before an attempt and given back after a success."""

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from dbcommon.engine import Database
from dbcommon.jobs.batches import repeat_batches
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from webcommon.accounts.throttling import repository
from webcommon.accounts.throttling.limits import Limit
from webcommon.accounts.throttling.repository import Reservation
from webcommon.api.problems import TooManyRequests

PATIENCE_SECONDS = 5.0
"""So long an attempt waits for others under way when only these stand before it."""

PATIENT = 64
"""So many attempts of a process may wait; those beyond are refused at once."""

SWEEP_SECONDS = 60.0
SWEEP_BATCH = 1000

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.4


class TooManyAttempts(TooManyRequests):
    """429: so much was tried at this account or from this network that nothing more is for a while."""

    title = "Too many attempts"
    slug = "too-many-attempts"

    def __init__(self, *, retry_after: int) -> None:
        # People read this too, on pages; programs have Retry-After, in seconds.
        minutes = math.ceil(retry_after / 60)
        when = "a minute" if minutes <= 1 else f"{minutes} minutes"
        super().__init__(f"Try again in {when}.", retry_after=retry_after)


@dataclass(frozen=True, kw_only=True)
class Counter:
    """What an attempt counts against."""

    key: bytes
    limit: Limit


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Leave to try once. Whoever settles it neither way, by dying say, has failed.

    Without `may_succeed` the try is for show: it costs what others cost, and what comes of it must not count.
    """

    database: Database
    reservations: list[Reservation]
    may_succeed: bool = True

    async def fail(self) -> None:
        """The attempt failed and counts."""
        await repository.keep(self.database, self.reservations)

    async def succeed(self) -> None:
        """The attempt succeeded, so it does not count."""
        await repository.give_back(self.database, self.reservations)


class Throttle:
    """Admits attempts. One per application, which bounds how many of its requests wait."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting = 0

    async def admit(self, counters: Sequence[Counter]) -> Admission:
        """Take a place of each counter, in their order. Raises `TooManyAttempts` when one of them has none.

        The broadest counter goes first: who is refused by it never touches the narrower ones, which belong to others.
        """
        reservations: list[Reservation] = []
        for counter in counters:
            place = await self._take(counter)
            if isinstance(place, Reservation):
                reservations.append(place)
                continue
            if reservations:
                await repository.give_back(self._database, reservations)
            raise TooManyAttempts(retry_after=math.ceil(place))
        return Admission(database=self._database, reservations=reservations)

    async def count(self, counter: Counter) -> None:
        """Take a place that is never given back. Raises `TooManyAttempts`, and at once: nobody makes room."""
        reservation, seconds, _ = await self._try(counter)
        if reservation is None:
            raise TooManyAttempts(retry_after=math.ceil(seconds))

    async def join(self, admission: Admission, counter: Counter) -> Admission:
        """The admission with a place of one more counter, or without leave to succeed when that has none."""
        place = await self._take(counter)
        if not isinstance(place, Reservation):
            return replace(admission, may_succeed=False)
        return replace(admission, reservations=[*admission.reservations, place])

    async def _take(self, counter: Counter) -> Reservation | float:
        """A place, or for how many seconds there is none."""
        reservation, seconds, is_under_way = await self._try(counter)
        if reservation is not None or not is_under_way or self._waiting >= PATIENT:
            return reservation or seconds
        self._waiting += 1
        try:
            return await self._wait(counter)
        finally:
            self._waiting -= 1

    async def _wait(self, counter: Counter) -> Reservation | float:
        # Twenty tabs of one account that sign in at once are no attack: ten are looked at, succeed, and make room.
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE
        deadline = loop.time() + PATIENCE_SECONDS
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
            reservation, seconds, is_under_way = await self._try(counter)
            if reservation is not None or not is_under_way or loop.time() >= deadline:
                return reservation or seconds
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _try(self, counter: Counter) -> tuple[Reservation | None, float, bool]:
        reservation = await repository.reserve(self._database, counter.key, limit=counter.limit)
        if reservation is not None:
            return reservation, 0.0, False
        wait = await repository.read_wait(self._database, counter.key, limit=counter.limit)
        return None, wait.seconds, wait.is_under_way


@contextlib.asynccontextmanager
async def sweeping(database: Database) -> AsyncIterator[None]:
    """Delete expired counters in the background while the block runs."""
    schedule = Schedule(seconds=SWEEP_SECONDS, jitter=0.5)
    async with run_every(schedule, lambda: _sweep(database), name="the sweep of expired counters"):
        yield


async def _sweep(database: Database) -> None:
    await repeat_batches(lambda: repository.sweep(database, batch=SWEEP_BATCH), batch=SWEEP_BATCH)
