"""The pool: at least `min` connections, at most `max`, first come first served; idle surplus ones are closed.

SQLAlchemy's queue pool has one size. It closes overflow connections at every return, so that under bursts most requests
cost a TCP connect, and its asyncio queue lets a newcomer overtake the waiting. This pool sets `max_overflow=0`, has a
queue that hands a connection to the longest waiter, and `sweep` and `fill`, which the maintenance task calls to hold the
size between minimum and maximum.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_, greenlet_spawn
from sqlalchemy.util.queue import Empty, Full, QueueCommon

if TYPE_CHECKING:
    from sqlalchemy.pool.base import _ConnectionRecord

CLOSE_SECONDS = 0.5
"""How long closing a connection may wait for the server."""


class FairQueue(QueueCommon[ConnectionPoolEntry]):
    """Idle connections, the newest used first so that surplus ones grow old, and waiters, served in order."""

    def __init__(self, maxsize: int = 0, use_lifo: bool = True) -> None:
        self.maxsize = maxsize
        self.use_lifo = use_lifo
        self._idle: list[tuple[float, ConnectionPoolEntry]] = []
        self._waiters: deque[asyncio.Future[ConnectionPoolEntry | None]] = deque()
        self.waited_seconds: Callable[[float], None] = lambda _seconds: None

    @property
    def waiting(self) -> int:
        """The number of waiters."""
        return sum(not waiter.done() for waiter in self._waiters)

    def empty(self) -> bool:
        return not self._idle

    def full(self) -> bool:
        return len(self._idle) >= self.maxsize

    def qsize(self) -> int:
        return len(self._idle)

    def put_nowait(self, item: ConnectionPoolEntry) -> None:
        if self._serve_next(item):
            return
        if self.full():
            raise Full
        self._idle.append((time.monotonic(), item))

    def put(self, item: ConnectionPoolEntry, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002 - the base class's signature; a put never has to wait here
        self.put_nowait(item)

    def get_nowait(self) -> ConnectionPoolEntry:
        if not self._idle:
            raise Empty
        return self._idle.pop()[1]

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        if self._idle or not block:
            return self.get_nowait()
        item = await_(self.wait(timeout))
        if item is None:
            raise Empty
        return item

    def offer_slot(self) -> None:
        """Let the longest waiter open a connection itself, since one was closed."""
        self._serve_next(None)

    def take_idle(
        self, *, older_than: float, keep: int, broken: Callable[[ConnectionPoolEntry], bool]
    ) -> list[ConnectionPoolEntry]:
        """Remove and give the broken connections and, oldest first, those idle since before `older_than`; `keep` of the
        rest stay."""
        taken = [entry for _, entry in self._idle if broken(entry)]
        kept = [(since, entry) for since, entry in self._idle if entry not in taken]
        surplus = sum(since <= older_than for since, _ in kept[: max(0, len(kept) - keep)])
        self._idle = kept[surplus:]
        return taken + [entry for _, entry in kept[:surplus]]

    def _serve_next(self, item: ConnectionPoolEntry | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(item)
                return True
        return False

    async def wait(self, seconds: float | None) -> ConnectionPoolEntry | None:
        """The next connection that is returned; None after `seconds`, or when a new one may be opened instead."""
        waiter: asyncio.Future[ConnectionPoolEntry | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except TimeoutError:
            return self._give_up(waiter)
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise
        finally:
            self.waited_seconds(time.monotonic() - started)

    def _give_up(self, waiter: "asyncio.Future[ConnectionPoolEntry | None]") -> ConnectionPoolEntry | None:
        if waiter.done() and not waiter.cancelled():
            return waiter.result()
        self._forget(waiter)
        return None

    def _pass_on(self, waiter: "asyncio.Future[ConnectionPoolEntry | None]") -> None:
        # Served and cancelled in the same turn of the loop: the connection must not be lost.
        if not waiter.done() or waiter.cancelled():
            self._forget(waiter)
        elif (item := waiter.result()) is not None:
            self.put_nowait(item)
        else:
            self.offer_slot()

    def _forget(self, waiter: "asyncio.Future[ConnectionPoolEntry | None]") -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)


class BoundedPool(AsyncAdaptedQueuePool):
    """A queue pool with a fixed maximum, which the maintenance task sweeps. Use:
    `create_async_engine(poolclass=BoundedPool)`."""

    _queue_class = FairQueue
    _pool: FairQueue

    @property
    def queue(self) -> FairQueue:
        """The idle connections and the waiters."""
        return self._pool

    @property
    def open_connections(self) -> int:
        """Connections that are open, being opened or being closed; never above the maximum."""
        return self.size() + self.overflow()

    @property
    def in_use(self) -> int:
        """Connections that a request holds."""
        return self.checkedout()

    def _do_get(self) -> ConnectionPoolEntry:
        return self._get_until(time.monotonic() + self.timeout())

    def _get_until(self, deadline: float) -> ConnectionPoolEntry:
        while True:
            seconds = deadline - time.monotonic()
            try:
                return self._pool.get(self.overflow() >= 0 and seconds > 0, seconds)
            except Empty:
                pass
            if self._inc_overflow():
                return self._open_counted()
            if time.monotonic() >= deadline:
                raise PoolTimeoutError(f"no connection came free within {self.timeout():g} s")

    def _open_counted(self) -> ConnectionPoolEntry:
        try:
            return self._create_connection()
        # On cancellation too: a slot that is counted and not released is lost for good.
        except BaseException:
            self._dec_overflow()
            raise

    def _dec_overflow(self) -> Any:
        result = super()._dec_overflow()
        self._pool.offer_slot()
        return result

    def take_ready(self) -> ConnectionPoolEntry | None:
        """The newest idle connection that works, or None. Return it by `release`."""
        if self._pool.empty():
            return None
        entry = self._pool.get_nowait()
        if _is_broken(entry):
            self._pool.put_nowait(entry)
            return None
        return entry

    async def wait_ready(self, deadline: float) -> ConnectionPoolEntry | None:
        """The next returned connection, for when the pool is at its maximum and none is idle. Return it by `release`.

        None when the deadline (of the monotonic clock) has passed, when a new connection may be opened, or when the
        returned one is broken; then `take` is the way. Cheaper than `take`, which needs a greenlet.
        """
        if self.overflow() < 0 or not self._pool.empty():
            # A new connection may be opened, or an idle broken one replaced; possibly no connection is in use, and none
            # would be returned.
            return None
        entry = await self._pool.wait(deadline - time.monotonic())
        if entry is not None and _is_broken(entry):
            self._pool.put_nowait(entry)
            return None
        return entry

    def take(self, deadline: float) -> ConnectionPoolEntry:
        """A connection, opened or waited for until the deadline. Return it by `release`. To be called in a greenlet of
        SQLAlchemy's."""
        # SQLAlchemy's annotation hides that every entry can connect.
        entry = cast("_ConnectionRecord", self._get_until(deadline))
        try:
            if entry.dbapi_connection is not None and _is_broken(entry):
                entry.invalidate()
            entry.get_connection()
        except BaseException:  # as above
            self.release(entry)
            raise
        return entry

    def release(self, entry: ConnectionPoolEntry) -> None:
        """Return a connection of `take`, `take_ready` or `wait_ready`."""
        self._do_return_conn(entry)

    async def sweep(self, *, minimum: int, idle_seconds: float) -> int:
        """Close connections that are broken, or surplus and idle for too long; gives how many.

        A connection counts until it is closed, so the server never has more than the maximum.
        """
        keep = max(0, minimum - self.in_use)
        closing = self._pool.take_idle(
            older_than=time.monotonic() - idle_seconds, keep=keep, broken=_is_broken
        )
        await asyncio.gather(*(self._close_counted(entry) for entry in closing))
        return len(closing)

    async def _close_counted(self, entry: ConnectionPoolEntry) -> None:
        try:
            connection: asyncpg.Connection[Any] | None = entry.driver_connection
            if connection is not None:
                # Without a time-out the driver waits for a silent server forever, and maintenance with it.
                with contextlib.suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                    await connection.close(timeout=CLOSE_SECONDS)
            await greenlet_spawn(entry.close)
        finally:
            self._dec_overflow()

    async def fill(self, *, minimum: int) -> None:
        """Open connections up to `minimum`. Raises what connecting raises."""
        while self.open_connections < minimum and self._inc_overflow():
            self._do_return_conn(await greenlet_spawn(self._open_counted))


def _is_broken(entry: ConnectionPoolEntry) -> bool:
    connection = entry.driver_connection
    return connection is None or connection.is_closed()
