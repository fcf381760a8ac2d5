"""The games that this process drives: it renews their leases, claims games without a driver, and takes due steps."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from l2p.clock.clock import DatabaseClock
from l2p.driver.phases import Lease, LeaseLost, Phases, Position
from l2p.leases import repository as leases
from l2p.ratings.errors import RatingsBusy

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
"""How often leases are renewed, and games without a driver are looked for."""

SILENT_SECONDS = 2.0
"""A driver that could not renew its leases for so long, since the database was away, lets them run out."""

CLAIMED_AT_ONCE = 20
"""Games that one process claims in one heartbeat, so that others get their share."""

TOLD_SECONDS = 0.2
"""At most so often a game tells who has answered."""

RETRY_SECONDS = 0.25

_TURN = Schedule(seconds=HEARTBEAT_SECONDS, retry_seconds=RETRY_SECONDS, at_once=True)


@dataclass(eq=False)
class _Held:
    lease: Lease
    due: float | None = 0.0
    """The time of the event loop at which a step is due; None while the host decides."""
    has_answers: bool = False
    mark: tuple[int, int] = (0, 0)
    """What the last heartbeat found of the game. Notices of changes may be lost, so it is compared with the next."""
    told: float = 0.0
    is_stepping: bool = False


class Driver:
    """Drives games. `process_id` names this process in their leases."""

    def __init__(self, database: Database, clock: DatabaseClock, phases: Phases, *, process_id: UUID) -> None:
        self.process_id = process_id
        self._database = database
        self._clock = clock
        self._phases = phases
        self._held: dict[UUID, _Held] = {}
        self._wake = asyncio.Event()
        self._beat = float("-inf")
        self._renewed = time.monotonic()
        self._is_leaving = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def drives(self, game_id: UUID) -> bool:
        """Whether this process drives the game."""
        return game_id in self._held

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Drive games while the block runs."""
        async with run_every(_TURN, self._turn, name="the driver of games", wake=self._wake):
            yield

    def take(self, game_id: UUID, lobby_id: UUID) -> None:
        """Drive a game that this process has just started, with the lease's first epoch."""
        lease = Lease(game_id=game_id, lobby_id=lobby_id, epoch=1, holder=self.process_id)
        self._held[game_id] = _Held(lease)
        self._wake.set()

    def look_again(self, lobby_id: UUID | None) -> None:
        """Something about the lobby's game has changed; for None, about any game, and one may have no driver."""
        if lobby_id is None:
            self._beat = float("-inf")
        for held in self._held.values():
            if lobby_id in (None, held.lease.lobby_id):
                held.has_answers = True
        self._wake.set()

    async def hand_over(self) -> bool:
        """Give all games to other processes, and claim no more; gives whether there were any. Raises `DatabaseError`."""
        self._is_leaving = True
        self._held.clear()
        return bool(await leases.release(self._database, holder=self.process_id))

    async def _turn(self) -> None:
        now = time.monotonic()
        if now - self._beat >= HEARTBEAT_SECONDS and not self._is_leaving:
            await self._renew(now)
            self._beat = now
            await self._claim()
        for held in tuple(self._held.values()):
            self._start_step(held)
        self._wake_at_next()

    async def _renew(self, now: float) -> None:
        if now - self._renewed > SILENT_SECONDS:
            # The games stood still: when their leases are over, they are claimed, and the time is given back.
            self._held.clear()
        epochs = {game_id: held.lease.epoch for game_id, held in self._held.items()}
        kept = await leases.renew(self._database, epochs, holder=self.process_id)
        self._renewed = now
        for game_id in epochs.keys() - kept.keys():
            self._held.pop(game_id, None)
        for game_id, mark in kept.items():
            if (held := self._held.get(game_id)) is not None and held.mark != mark:
                held.mark, held.has_answers = mark, True

    async def _claim(self) -> None:
        for row in await leases.find_free(self._database, most=CLAIMED_AT_ONCE):
            with contextlib.suppress(LeaseLost):
                lease = await self._phases.take_over(row["id"], row["lobby_id"], holder=self.process_id)
                self._held[lease.game_id] = _Held(lease)
                logger.info("drives game %s now", lease.game_id)

    def _start_step(self, held: _Held) -> None:
        if held.is_stepping:
            return
        now = time.monotonic()
        if held.due is not None and held.due <= now:
            held.is_stepping = True
            self._run(held, self._phases.step(held.lease))
        elif held.has_answers and now - held.told >= TOLD_SECONDS:
            held.is_stepping, held.has_answers, held.told = True, False, now
            self._run(held, self._phases.check_answers(held.lease))

    def _run(self, held: _Held, step: Awaitable[Position]) -> None:
        task = asyncio.create_task(self._finish_step(held, step), name=f"game {held.lease.game_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish_step(self, held: _Held, step: Awaitable[Position]) -> None:
        try:
            position = await step
            held.due = None
            if position.is_over:
                self._drop(held)
            elif position.due_at is not None:
                held.due = time.monotonic() + self._clock.seconds_until(position.due_at)
        except LeaseLost:
            self._drop(held)
        except (DatabaseError, RatingsBusy) as error:
            logger.debug("game %s has to wait: %s", held.lease.game_id, error)
            held.due = time.monotonic() + RETRY_SECONDS
        except Exception:
            logger.exception("a step of game %s failed; it is tried again", held.lease.game_id)
            held.due = time.monotonic() + HEARTBEAT_SECONDS
        finally:
            held.is_stepping = False
            self._wake.set()

    def _drop(self, held: _Held) -> None:
        if self._held.get(held.lease.game_id) is held:
            del self._held[held.lease.game_id]

    def _wake_at_next(self) -> None:
        moments = [held.due for held in self._held.values() if held.due is not None and not held.is_stepping]
        moments += [
            held.told + TOLD_SECONDS
            for held in self._held.values()
            if held.has_answers and not held.is_stepping
        ]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if moments:
            pause = max(min(moments) - time.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(pause, self._wake.set)
