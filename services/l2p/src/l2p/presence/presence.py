"""Who is connected to which lobby through this process, as rows that belong to the process's heartbeat."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from l2p.presence import repository
from l2p.presence.repository import Connection

HEARTBEAT_SCHEDULE = Schedule(seconds=2.0, retry_seconds=0.5, at_once=True)
"""Of a process that was silent for 6 s no connection counts."""

SILENT_SECONDS = 4.0
"""After a longer silence of its own a process stores its connections anew."""

TOUCH_SECONDS = 5.0
"""A user's calls on one lobby are stored at most so often; each counts for 15 s."""

REMEMBERED = 50_000

WINDOW_SECONDS = 0.05
"""Connections and calls are collected for so long and stored in one statement."""

_IDLE = Schedule(seconds=60.0, retry_seconds=0.5)

_MICROSECOND = timedelta(microseconds=1)

Replace = Callable[[UUID, UUID, datetime], None]
"""Ends the socket or event stream of a lobby and user that was opened at that time. It must return at once."""


class Presence:
    """Knows the open sockets and event streams of each user and lobby, and stores which there are.

    Of those of one user on one lobby the `most` newest stay, over all processes. A process that opens one too many finds
    its own older ones at once, and the others find theirs with the next heartbeat.
    """

    def __init__(self, database: Database, *, process_id: UUID, most: int, replace: Replace) -> None:
        self._database = database
        self._process_id = process_id
        self._most = most
        self._replace = replace
        self._open: dict[Connection, set[datetime]] = {}
        self._changed: set[Connection] = set()
        """What is not stored as it is."""
        self._has_to_look = False
        self._touched: dict[Connection, float] = {}
        """Calls over HTTP, with the time of the event loop at which they were stored last."""
        self._calls: set[Connection] = set()
        self._has_heartbeat = False
        self._beat_at = time.monotonic()
        self._wake = asyncio.Event()

    def connected(self, lobby_id: UUID, user_id: UUID, *, opened_at: datetime) -> datetime:
        """A socket or event stream of the user was opened. Gives the time that it goes by, which no other of them has."""
        times = self._open.setdefault((lobby_id, user_id), set())
        while opened_at in times:
            opened_at += _MICROSECOND
        times.add(opened_at)
        self._change((lobby_id, user_id))
        return opened_at

    async def admit_spectator(self, lobby_id: UUID, user_id: UUID, *, most: int) -> bool:
        """Whether a user without a seat is one of the lobby's `most` spectators, counted over all processes.

        Call `connected` at once if so. Raises `DatabaseError`.
        """
        connection = lobby_id, user_id
        if not self._has_heartbeat:
            await self._beat()
        try:
            async with self._database.transaction() as db:
                await repository.lock_lobby(db, lobby_id)
                return await repository.admit_spectator(db, self._process_id, connection, most=most)
        finally:
            # A client that left on the way here is found to be gone.
            self._change(connection)

    def disconnected(self, lobby_id: UUID, user_id: UUID, *, opened_at: datetime) -> None:
        """The one that goes by this time was closed."""
        times = self._open[lobby_id, user_id]
        times.remove(opened_at)
        if not times:
            del self._open[lobby_id, user_id]
        self._change((lobby_id, user_id))

    def touch(self, lobby_or_game_id: UUID, user_id: UUID) -> None:
        """The user called a route of a lobby or of its game: they count as connected for 15 s."""
        call, now = (lobby_or_game_id, user_id), time.monotonic()
        if now - self._touched.get(call, float("-inf")) < TOUCH_SECONDS:
            return
        if len(self._touched) >= REMEMBERED:
            del self._touched[next(iter(self._touched))]
        self._touched[call] = now
        self._calls.add(call)
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store heartbeats and connections while the block runs."""
        async with (
            run_every(HEARTBEAT_SCHEDULE, self._beat, name="the heartbeat of this process"),
            run_every(_IDLE, self._store, name="the connections of this process", wake=self._wake),
        ):
            yield
        try:
            await repository.forget_process(self._database, self._process_id)
        except DatabaseError:
            return  # Its heartbeat will be too old soon.

    async def _beat(self) -> None:
        is_new = await repository.store_heartbeat(self._database, self._process_id)
        now = time.monotonic()
        if is_new or now - self._beat_at > SILENT_SECONDS:
            # Its connections were deleted, or may have been since the database was away.
            self._changed.update(self._open)
        if self._open:
            self._has_to_look = True
            self._wake.set()
        self._beat_at = now
        self._has_heartbeat = True

    def _change(self, connection: Connection) -> None:
        self._changed.add(connection)
        self._wake.set()

    async def _store(self) -> None:
        await asyncio.sleep(WINDOW_SECONDS)
        if not self._has_heartbeat:
            await self._beat()
        calls, self._calls = self._calls, set()
        if calls:
            await repository.touch(self._database, calls)
        changed, self._changed = self._changed, set()
        try:
            await self._store_connections(changed)
        except DatabaseError:
            self._changed |= changed
            raise
        if self._has_to_look:
            self._has_to_look = False
            for socket in await repository.find_replaced(self._database, self._process_id, most=self._most):
                self._replace(*socket)

    async def _store_connections(self, changed: Collection[Connection]) -> None:
        gone = [connection for connection in changed if connection not in self._open]
        sockets = [(*connection, at) for connection in changed for at in self._open.get(connection, ())]
        if sockets and await repository.connect(self._database, self._process_id, sockets, most=self._most):
            self._has_to_look = True
        if gone:
            await repository.disconnect(self._database, self._process_id, gone)
