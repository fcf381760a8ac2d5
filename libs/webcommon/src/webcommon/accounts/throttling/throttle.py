"""Reserve a slot before each attempt; release it when the attempt succeeds."""

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

WAIT_SECONDS = 5.0
"""How long an attempt waits for a slot that an attempt in flight may release."""

MAXIMUM_WAITING = 64
"""How many attempts of a process may wait; further ones are refused at once."""

SWEEP_SECONDS = 60.0
SWEEP_BATCH = 1000

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.4


class TooManyAttempts(TooManyRequests):
    """429: too many attempts at this account or from this network."""

    title = "Too many attempts"
    slug = "too-many-attempts"

    def __init__(self, *, retry_after: int) -> None:
        # People read this too, on pages; programs have Retry-After, in seconds.
        minutes = math.ceil(retry_after / 60)
        when = "a minute" if minutes <= 1 else f"{minutes} minutes"
        super().__init__(f"Try again in {when}.", retry_after=retry_after)


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A counter in which an attempt reserves a slot."""

    key: bytes
    limit: Limit


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Permission for one attempt. If it is never settled (the process died), it counts as a failure.

    Without `may_succeed` the caller does the same work as always, but has to treat any outcome as a failure.
    """

    database: Database
    reservations: list[Reservation]
    may_succeed: bool = True

    async def fail(self) -> None:
        """Count the attempt as a failure."""
        await repository.keep(self.database, self.reservations)

    async def succeed(self) -> None:
        """Do not count the attempt."""
        await repository.release(self.database, self.reservations)


class Throttle:
    """Reserves slots of counters. One per application, since it bounds how many requests of the process wait for a slot."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting = 0

    async def start(self, counters: Sequence[Counter]) -> Attempt:
        """Reserve a slot of each counter, in their order. Raises `TooManyAttempts` when one of them has none free.

        The broadest counter goes first: an attempt that it refuses never touches the narrower ones, which belong to others.
        """
        reservations: list[Reservation] = []
        for counter in counters:
            slot = await self._reserve(counter)
            if isinstance(slot, Reservation):
                reservations.append(slot)
                continue
            if reservations:
                await repository.release(self._database, reservations)
            raise TooManyAttempts(retry_after=math.ceil(slot))
        return Attempt(database=self._database, reservations=reservations)

    async def consume(self, counter: Counter) -> None:
        """Reserve a slot that is never released. Raises `TooManyAttempts` at once: no attempt in flight could release one."""
        reservation, seconds, _ = await self._try(counter)
        if reservation is None:
            raise TooManyAttempts(retry_after=math.ceil(seconds))

    async def reserve_extra(self, attempt: Attempt, counter: Counter) -> Attempt:
        """Reserve a slot of one more counter; gives the attempt with it, without `may_succeed` when the counter has none free."""
        slot = await self._reserve(counter)
        if not isinstance(slot, Reservation):
            return replace(attempt, may_succeed=False)
        return replace(attempt, reservations=[*attempt.reservations, slot])

    async def _reserve(self, counter: Counter) -> Reservation | float:
        """A slot, or the seconds until one is free."""
        reservation, seconds, has_in_flight = await self._try(counter)
        if reservation is not None or not has_in_flight or self._waiting >= MAXIMUM_WAITING:
            return reservation or seconds
        self._waiting += 1
        try:
            return await self._wait(counter)
        finally:
            self._waiting -= 1

    async def _wait(self, counter: Counter) -> Reservation | float:
        # Twenty tabs that sign in to one account at once are no attack: ten get slots, succeed and release them.
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE
        deadline = loop.time() + WAIT_SECONDS
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
            reservation, seconds, has_in_flight = await self._try(counter)
            if reservation is not None or not has_in_flight or loop.time() >= deadline:
                return reservation or seconds
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _try(self, counter: Counter) -> tuple[Reservation | None, float, bool]:
        reservation = await repository.reserve(self._database, counter.key, limit=counter.limit)
        if reservation is not None:
            return reservation, 0.0, False
        wait = await repository.read_wait(self._database, counter.key, limit=counter.limit)
        return None, wait.seconds, wait.has_in_flight


@contextlib.asynccontextmanager
async def sweeping(database: Database) -> AsyncIterator[None]:
    """Delete expired counters in the background while the block runs."""
    schedule = Schedule(seconds=SWEEP_SECONDS, jitter=0.5)
    async with run_every(schedule, lambda: _sweep(database), name="the sweep of expired counters"):
        yield


async def _sweep(database: Database) -> None:
    await repeat_batches(lambda: repository.sweep(database, batch=SWEEP_BATCH), batch=SWEEP_BATCH)
